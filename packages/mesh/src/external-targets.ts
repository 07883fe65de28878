// What stands behind each external destination: the addresses a zone egress connects to and the TLS it speaks there
// (contract/resources.md section 6). A reference that leads nowhere makes the target a problem, never a weaker check.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type DestinationFact, type ExternalTargetFact, type ExternalTlsFact, SecretText } from '@weft/facts'
import type { Collection, Graph, Scope } from '@weft/graph'
import { secretText } from '@weft/identity'
import { kriText, type MeshExternalServiceSpec, type Resource, type SecureSource } from '@weft/resources'

export interface ExternalTargetInputs {
  readonly resources: Collection<Resource>
  readonly secrets: Collection<Resource>
  readonly destinations: Collection<DestinationFact>
}

type Tls = NonNullable<MeshExternalServiceSpec['tls']>

/** By destination id. A kind of target that extensions define has no endpoints here. */
export function deriveExternalTargets(
  graph: Graph,
  { resources, secrets, destinations }: ExternalTargetInputs,
): Collection<ExternalTargetFact> {
  // one object for each secret value, so that facts that hold it compare by identity
  const texts = graph.map(
    { name: 'secretTexts', from: secrets, equal: (a: SecretText, b: SecretText) => a.reveal() === b.reveal() },
    (_, secret) => {
      const text = secretText(secret)
      return text === undefined ? undefined : new SecretText(text)
    },
  )
  return graph.derive({ name: 'externalTargets', from: resources, reads: [texts, destinations] }, function* (scope, resource) {
    // stored MeshExternalServices passed the codec of their kind
    const spec = resource.spec as MeshExternalServiceSpec
    const destination = scope.get(destinations, kriText('extsvc', resource, String(spec.match.port)))
    if (!destination) return
    const endpoints = (spec.endpoints ?? []).map(({ address, port, priority }) => ({ address, port, priority: priority ?? 0 }))
    const read =
      spec.tls?.enabled === true ? readTls(spec.tls, (source) => textOf(scope, texts, { source, mesh: resource.mesh })) : undefined
    const fact: ExternalTargetFact = { destination, endpoints, tls: read?.tls, problem: read?.problem }
    yield [destination.id, fact] as const
  })
}

/** The text of a source; a message when it is not there. */
type ReadSource = (source: SecureSource) => SecretText | { readonly missing: string }

function textOf(
  scope: Scope,
  texts: Collection<SecretText>,
  { source, mesh }: { readonly source: SecureSource; readonly mesh: string },
): SecretText | { readonly missing: string } {
  const inline = source.insecureInline?.value
  if (source.type === 'InsecureInline' && inline !== undefined) return new SecretText(inline)
  const name = source.secretRef?.name ?? ''
  return scope.get(texts, `${mesh}/${name}`) ?? { missing: `secret ${name} of mesh ${mesh} does not exist` }
}

interface ReadTls {
  readonly tls: ExternalTlsFact | undefined
  readonly problem: string | undefined
}

function readTls({ version, allowRenegotiation, verification }: Tls, read: ReadSource): ReadTls {
  const problems: string[] = []
  const required = (what: string, source: SecureSource | undefined): SecretText | undefined => {
    if (!source) return undefined
    const text = read(source)
    if (text instanceof SecretText) return text
    problems.push(`${what}: ${text.missing}`)
    return undefined
  }
  const mode = verification?.mode ?? 'Secured'
  const caPem = required('caCert', verification?.caCert)?.reveal()
  const certificatePem = required('clientCert', verification?.clientCert)?.reveal()
  const key = required('clientKey', verification?.clientKey)
  // Envoy would refuse the cluster, and say so to nobody who can act
  if (caPem !== undefined && !isCertificate(caPem)) problems.push('caCert: it is no certificate in PEM')
  if (certificatePem !== undefined && key && !isPair(certificatePem, key.reveal()))
    problems.push('clientCert: it does not belong to clientKey')
  const tls: ExternalTlsFact = {
    serverName: verification?.serverName || undefined,
    minVersion: versionOf(version?.min),
    maxVersion: versionOf(version?.max),
    allowRenegotiation: allowRenegotiation === true,
    ca: mode === 'SkipCA' || mode === 'SkipAll' ? undefined : caPem === undefined ? 'system' : { pem: caPem },
    checkNames: mode !== 'SkipSAN' && mode !== 'SkipAll',
    subjectAltNames: (verification?.subjectAltNames ?? []).map(({ type, value }) => ({ type: type ?? 'Exact', value })),
    client: certificatePem !== undefined && key ? { certificatePem, key } : undefined,
  }
  return problems.length > 0 ? { tls: undefined, problem: problems.join('; ') } : { tls, problem: undefined }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

function isPair(certificatePem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem))
  } catch {
    return false
  }
}

function versionOf(version: string | undefined): string | undefined {
  return version === undefined || version === 'TLSAuto' ? undefined : version
}
