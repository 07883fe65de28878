// X.509 certificates of the product: mesh CAs, workload SVIDs, the server's own certificate and the Envoy admin PKI.
// Times come from the caller; serial numbers are 127 random bits; nothing here keeps a private key.
import { X509Certificate } from 'node:crypto'
import { AppError } from '@weft/foundation/errors'
import {
  alternativeNames,
  basicConstraints,
  type CertificateName,
  distinguishedName,
  extendedKeyUsage,
  type KeyPurpose,
  type KeyUsage,
  keyUsage,
  type NamePart,
  signedCertificate,
  subjectKeyId,
} from './certificate-form.ts'
import { toleratedSkewMs } from './clock-skew.ts'
import { generateKeyPair, importPrivateKey, type KeyPair, type KeyType, privateKeyPem, publicKeyDer } from './key-pair.ts'
import { issueLeaf } from './leaf-certificate.ts'

const tenYearsMs = 10 * 365 * 86_400_000
/** Lifetime of a workload certificate when the identity sets none (contract/resources.md section 8). */
export const defaultSvidLifetimeMs = 120 * 3_600_000

/** A certificate with its private key in text form. Times are milliseconds since the epoch. */
export interface CertificateAndKey {
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly notBefore: number
  readonly notAfter: number
}

/** A certificate authority ready to sign. `chainPem` is what a leaf carries after itself: intermediates, never the self-signed root. */
export interface CertificateAuthority {
  /** All certificates as given: what trust in this authority consists of. */
  readonly certificatePem: string
  readonly chainPem: string
  /** Hex SHA-256 of the issuing certificate. */
  readonly fingerprint: string
  readonly keys: KeyPair
  /** The issuing certificate. */
  readonly certificate: X509Certificate
}

/** A workload certificate (SVID) with its chain. */
export interface IssuedSvid {
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  readonly notBefore: number
  readonly notAfter: number
}

interface Template {
  readonly subject: readonly NamePart[]
  readonly usages: readonly KeyUsage[]
  readonly purposes?: readonly KeyPurpose[]
  readonly names: readonly CertificateName[]
  readonly notBefore: number
  readonly notAfter: number
}

/** A self-signed authority as PEM. */
async function selfSign(template: Template, keys: KeyPair): Promise<string> {
  const { notBefore, notAfter, purposes, names } = template
  const publicKey = publicKeyDer(keys)
  const name = distinguishedName(...template.subject)
  const extensions = [basicConstraints(true), keyUsage(template.usages), subjectKeyId(publicKey)]
  if (purposes) extensions.push(extendedKeyUsage(purposes))
  if (names.length > 0) extensions.push(alternativeNames(names, false))
  return signedCertificate({ issuer: name, subject: name, publicKey, notBefore, notAfter, extensions }, keys)
}

/** A self-signed root for a trust domain: ten years, CN the domain, URI SAN `spiffe://<domain>` (contract/resources.md section 8). */
export async function createMeshCa(options: {
  readonly trustDomain: string
  readonly now: number
  readonly keyType?: KeyType
}): Promise<CertificateAndKey> {
  const keys = await generateKeyPair(options.keyType ?? 'ec-p256')
  const notBefore = options.now - toleratedSkewMs
  const notAfter = options.now + tenYearsMs
  const certificatePem = await selfSign(
    {
      subject: [
        ['O', 'Weft'],
        ['OU', 'Mesh'],
        ['CN', options.trustDomain.slice(0, 64)],
      ],
      usages: ['keyCertSign', 'cRLSign'],
      names: [{ uri: `spiffe://${options.trustDomain}` }],
      notBefore,
      notAfter,
    },
    keys,
  )
  return { certificatePem, privateKeyPem: privateKeyPem(keys), notBefore, notAfter }
}

/**
 * Checks a certificate authority and makes it ready to sign. The first certificate of the PEM issues; further ones are its chain.
 * Errors: identity/invalid-ca when it is no CA, is not valid at `now`, does not fit the key, or is self-signed without permission.
 */
export async function loadCertificateAuthority(options: {
  readonly certificatePem: string
  readonly privateKeyPem: string
  readonly allowSelfSigned: boolean
  readonly now: number
}): Promise<CertificateAuthority> {
  const certificates = parseCertificates(options.certificatePem)
  const certificate = certificates[0]
  if (!certificate) throw new AppError('identity/invalid-ca', 'certificate cannot be read: it must be a certificate in PEM')
  const keys = await importPrivateKey(options.privateKeyPem)
  // OpenSSL calls nothing an authority whose key usage does not allow to sign certificates
  if (!certificate.ca) {
    throw new AppError(
      'identity/invalid-ca',
      'certificate is not a certificate authority (basic constraint CA or key usage keyCertSign is missing)',
    )
  }
  if (options.now >= Date.parse(certificate.validTo))
    throw new AppError('identity/invalid-ca', `certificate has expired on ${certificate.validTo}`)
  if (options.now < Date.parse(certificate.validFrom)) {
    throw new AppError('identity/invalid-ca', `certificate is not valid before ${certificate.validFrom}`)
  }
  if (!certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(publicKeyDer(keys))) {
    throw new AppError('identity/invalid-ca', 'certificate and private key do not belong together')
  }
  if (!options.allowSelfSigned && isSelfSigned(certificate)) {
    throw new AppError('identity/invalid-ca', 'self-signed certificates are not allowed')
  }
  return {
    certificatePem: certificates.map((each) => each.toString()).join(''),
    chainPem: certificates
      .filter((each) => !isSelfSigned(each))
      .map((each) => each.toString())
      .join(''),
    fingerprint: fingerprintOf(certificate),
    keys,
    certificate,
  }
}

/**
 * Issues a workload certificate: URI SAN only, empty subject (contract/dataplane.md section 11.1), backdated by the tolerated skew.
 * It never outlives the authority.
 */
export async function issueSvid(
  authority: CertificateAuthority,
  request: { readonly spiffeId: string; readonly lifetimeMs: number; readonly now: number; readonly keys: KeyPair },
): Promise<IssuedSvid> {
  const notBefore = request.now - toleratedSkewMs
  const notAfter = Math.min(request.now + request.lifetimeMs, Date.parse(authority.certificate.validTo))
  const leaf = await issueLeaf(authority, request.keys, {
    commonName: undefined,
    name: { uri: request.spiffeId },
    usages: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
    purposes: ['serverAuth', 'clientAuth'],
    notBefore,
    notAfter,
  })
  return { certificateChainPem: leaf + authority.chainPem, privateKeyPem: privateKeyPem(request.keys), notBefore, notAfter }
}

/** What a self-signed certificate of an end of a connection says. */
export interface OwnCertificate {
  /** DNS names and IP addresses. */
  readonly hosts: readonly string[]
  readonly commonName: string
  readonly now: number
}

/** A self-signed certificate for this control plane's ports: ten years, CA so that peers can pin it, CN set, DNS and IP SANs. */
export function createServerCertificate(options: OwnCertificate): Promise<CertificateAndKey> {
  return createOwnCertificate(options, 'serverAuth')
}

/** The same for who connects: global reads the zone from the DNS SAN. */
export function createClientCertificate(options: OwnCertificate): Promise<CertificateAndKey> {
  return createOwnCertificate(options, 'clientAuth')
}

async function createOwnCertificate({ hosts, commonName, now }: OwnCertificate, purpose: KeyPurpose): Promise<CertificateAndKey> {
  const keys = await generateKeyPair('ec-p256')
  const notBefore = now - toleratedSkewMs
  const notAfter = now + tenYearsMs
  const certificatePem = await selfSign(
    {
      subject: [['CN', commonName.slice(0, 64)]],
      usages: ['digitalSignature', 'keyEncipherment', 'keyCertSign'],
      purposes: [purpose],
      names: [...new Set(hosts)].map((host) => ({ host })),
      notBefore,
      notAfter,
    },
    keys,
  )
  return { certificatePem, privateKeyPem: privateKeyPem(keys), notBefore, notAfter }
}

/** The root behind the control plane's access to Envoy admin endpoints (contract/dataplane.md section 14.3). */
export function createEnvoyAdminCa(now: number): Promise<CertificateAndKey> {
  return createControlPlaneCa('envoy-admin-ca', now)
}

/** A root for connections of the control plane itself: ten years, CN as named. */
export async function createControlPlaneCa(commonName: string, now: number): Promise<CertificateAndKey> {
  const keys = await generateKeyPair('ec-p256')
  const notBefore = now - toleratedSkewMs
  const notAfter = now + tenYearsMs
  const certificatePem = await selfSign(
    {
      subject: [
        ['O', 'Weft'],
        ['CN', commonName],
      ],
      usages: ['keyCertSign', 'cRLSign'],
      names: [],
      notBefore,
      notAfter,
    },
    keys,
  )
  return { certificatePem, privateKeyPem: privateKeyPem(keys), notBefore, notAfter }
}

/**
 * A certificate below a root of the control plane: for a proxy's admin listener (`server`, SAN its address), for the control plane that asks it
 * (`client`, SAN `kuma-cp`), or for either end of the inter-CP port (SAN the instance id).
 */
export async function issueAdminCertificate(
  authority: CertificateAuthority,
  request: { readonly usage: 'server' | 'client'; readonly name: string; readonly now: number },
): Promise<CertificateAndKey> {
  const keys = await generateKeyPair('ec-p256')
  const notBefore = request.now - toleratedSkewMs
  const notAfter = Math.min(request.now + tenYearsMs, Date.parse(authority.certificate.validTo))
  const certificatePem = await issueLeaf(authority, keys, {
    commonName: request.name.slice(0, 64),
    name: { host: request.name },
    usages: ['digitalSignature', 'keyEncipherment'],
    purposes: [request.usage === 'server' ? 'serverAuth' : 'clientAuth'],
    notBefore,
    notAfter,
  })
  return { certificatePem, privateKeyPem: privateKeyPem(keys), notBefore, notAfter }
}

/** Every certificate of a PEM text, in order; an unreadable block ends the list and gives nothing at all. */
export function parseCertificates(text: string): readonly X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    return []
  }
}

/** Hex SHA-256 of a certificate's bytes, without separators. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase()
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey)
}
