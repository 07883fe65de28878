// Which zone a verified client certificate stands for: a URI `spiffe://<cluster-id>/zone/<name>` or a DNS name `<name>`.
import type { X509Certificate } from 'node:crypto'

/** A client certificate as far as admission reads it. */
export interface ClientCertificate {
  /** Values of the URI entries among its subject alternative names. */
  readonly uris: readonly string[]
  /** Values of the DNS entries. */
  readonly dnsNames: readonly string[]
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** Reads the names of a certificate; ones that cannot be told apart without doubt count as none. */
export function readClientCertificate(certificate: Pick<X509Certificate, 'subjectAltName' | 'validTo'>): ClientCertificate {
  const entries = alternativeNames(certificate.subjectAltName ?? '')
  const valuesOf = (kind: string): readonly string[] => entries.filter((entry) => entry.kind === kind).map((entry) => entry.value)
  return { uris: valuesOf('URI'), dnsNames: valuesOf('DNS'), expiresAt: Date.parse(certificate.validTo) }
}

/** The name of the zone that a certificate names by URI for this cluster, whatever the session says. */
export function zoneUriName({ uris }: ClientCertificate, clusterId: string): string | undefined {
  const prefix = `spiffe://${clusterId}/zone/`
  return clusterId === '' ? undefined : uris.find((uri) => uri.startsWith(prefix))?.slice(prefix.length)
}

/** Whether the certificate is one of this zone. */
export function certifiesZone(certificate: ClientCertificate, zone: string, clusterId: string): boolean {
  const named = zoneUriName(certificate, clusterId)
  return named === undefined ? certificate.dnsNames.includes(zone) : named === zone
}

interface AlternativeName {
  readonly kind: string
  readonly value: string
}

/** Node lists `KIND:value` joined with commas; a value with anything special in it is a JSON string. */
function alternativeNames(text: string): readonly AlternativeName[] {
  const entries: AlternativeName[] = []
  const entry = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/y
  while (entry.lastIndex < text.length) {
    const found = entry.exec(text)
    const [, kind, value] = found ?? []
    if (kind === undefined || value === undefined) return []
    try {
      entries.push({ kind, value: value.startsWith('"') ? String(JSON.parse(value)) : value })
    } catch {
      return []
    }
  }
  return entries
}
