// The form of X.509 certificates as DER (RFC 5280): names, extensions and the signature over them. Written directly because the general
// library takes ten times as long and 8 MB (docs/adr/0008). What comes from outside is only read after OpenSSL has taken it.
import { createHash, randomBytes, sign as signBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import { bitString, der, elements, lastElement, objectId, octets, positive, sequence, time, yes } from './der.ts'
import { type KeyPair, type KeyType, pem } from './key-pair.ts'

/** A name in a certificate: the URI of a workload, a DNS name or an IP address. */
export type CertificateName = { readonly uri: string } | { readonly host: string }

export type KeyUsage = keyof typeof usageBits
export type KeyPurpose = keyof typeof purposeIds

/** Parts of a distinguished name that the product uses. */
export type NamePart = readonly [kind: keyof typeof nameIds, text: string]

/** What one signature covers. Times are milliseconds since the epoch; names are DER. */
export interface CertificateContent {
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array
  readonly notBefore: number
  readonly notAfter: number
  readonly extensions: readonly Uint8Array[]
}

interface SignatureScheme {
  readonly hash: string | null
  readonly algorithm: Buffer
}

const ecdsa = (last: number): Buffer => sequence(objectId(`1.2.840.10045.4.3.${last}`))
const schemes: Readonly<Record<KeyType, SignatureScheme>> = {
  'ec-p256': { hash: 'sha256', algorithm: ecdsa(2) },
  'ec-p384': { hash: 'sha384', algorithm: ecdsa(3) },
  'ec-p521': { hash: 'sha512', algorithm: ecdsa(4) },
  'rsa-2048': { hash: 'sha256', algorithm: sequence(objectId('1.2.840.113549.1.1.11'), der(0x05)) },
  ed25519: { hash: null, algorithm: sequence(objectId('1.3.101.112')) },
}
const usageBits = { digitalSignature: 0x80, keyEncipherment: 0x20, keyAgreement: 0x08, keyCertSign: 0x04, cRLSign: 0x02 } as const
const purposeIds = { serverAuth: objectId('1.3.6.1.5.5.7.3.1'), clientAuth: objectId('1.3.6.1.5.5.7.3.2') } as const
const nameIds = { CN: objectId('2.5.4.3'), O: objectId('2.5.4.10'), OU: objectId('2.5.4.11') } as const
const extensionIds = {
  subjectKeyId: objectId('2.5.29.14'),
  keyUsage: objectId('2.5.29.15'),
  alternativeName: objectId('2.5.29.17'),
  basicConstraints: objectId('2.5.29.19'),
  authorityKeyId: objectId('2.5.29.35'),
  extendedKeyUsage: objectId('2.5.29.37'),
} as const
const version3 = der(0xa0, Buffer.from([0x02, 0x01, 0x02]))
/** Of the elements of a TBSCertificate with a version, the subject is the sixth. */
const subjectIndex = 5
const sign = promisify(signBytes)

/** A certificate signed with the keys of `signer`, as PEM. */
export async function signedCertificate(content: CertificateContent, signer: KeyPair): Promise<string> {
  const scheme = schemes[signer.type]
  const toBeSigned = sequence(
    version3,
    positive(serialBytes()),
    scheme.algorithm,
    content.issuer,
    sequence(time(content.notBefore), time(content.notAfter)),
    content.subject,
    content.publicKey,
    der(0xa3, sequence(...content.extensions)),
  )
  const signature = await sign(scheme.hash, toBeSigned, signer.privateKey)
  return pem('CERTIFICATE', sequence(toBeSigned, scheme.algorithm, bitString(signature)))
}

/** A distinguished name as DER; no parts make the empty name. */
export function distinguishedName(...parts: readonly NamePart[]): Buffer {
  return sequence(...parts.map(([kind, text]) => der(0x31, sequence(nameIds[kind], der(0x0c, Buffer.from(text, 'utf8'))))))
}

/** The subject's distinguished name of a version 3 certificate that OpenSSL has read, as it stands there. */
export function subjectOf(certificate: Uint8Array): Uint8Array {
  const [toBeSigned] = elements(certificate)
  const subject = toBeSigned && elements(toBeSigned)[subjectIndex]
  if (!subject) throw new Error('a certificate without a subject')
  return subject
}

/** Whether it is an authority. */
export function basicConstraints(isAuthority: boolean): Buffer {
  return extension(extensionIds.basicConstraints, isAuthority ? sequence(yes) : sequence(), true)
}

export function keyUsage(usages: readonly KeyUsage[]): Buffer {
  const bits = usages.reduce((sum, name) => sum | usageBits[name], 0)
  return extension(extensionIds.keyUsage, bitString(Buffer.from([bits]), trailingZeros(bits)), true)
}

export function extendedKeyUsage(purposes: readonly KeyPurpose[]): Buffer {
  return extension(extensionIds.extendedKeyUsage, sequence(...purposes.map((purpose) => purposeIds[purpose])), false)
}

/** Critical where there is no subject (RFC 5280 section 4.2.1.6). */
export function alternativeNames(names: readonly CertificateName[], isCritical: boolean): Buffer {
  return extension(extensionIds.alternativeName, sequence(...names.map(alternativeName)), isCritical)
}

export function subjectKeyId(publicKey: Uint8Array): Buffer {
  return extension(extensionIds.subjectKeyId, octets(keyId(publicKey)), false)
}

export function authorityKeyId(publicKey: Uint8Array): Buffer {
  return extension(extensionIds.authorityKeyId, sequence(der(0x80, keyId(publicKey))), false)
}

/** Serial number bytes: 127 random bits, positive, the first byte not zero. */
function serialBytes(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

function extension(id: Buffer, value: Buffer, isCritical: boolean): Buffer {
  return isCritical ? sequence(id, yes, octets(value)) : sequence(id, octets(value))
}

/** SHA-1 of the key bits, as RFC 5280 section 4.2.1.2 suggests: an identifier, not a protection. */
function keyId(publicKeyInfo: Uint8Array): Buffer {
  return createHash('sha1').update(lastElement(publicKeyInfo).subarray(1)).digest()
}

function trailingZeros(byte: number): number {
  for (let count = 0; count < 8; count++) if ((byte >> count) & 1) return count
  return 0
}

function alternativeName(name: CertificateName): Buffer {
  if ('uri' in name) return der(0x86, Buffer.from(name.uri, 'utf8'))
  switch (isIP(name.host)) {
    case 4:
      return der(0x87, Buffer.from(name.host.split('.').map(Number)))
    case 6:
      return der(0x87, ipv6Bytes(name.host))
    default:
      return der(0x82, Buffer.from(name.host, 'utf8'))
  }
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const groups = (text: string): number[] =>
    text === ''
      ? []
      : text.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)]
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
          return [a * 256 + b, c * 256 + d]
        })
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
  const bytes = Buffer.alloc(16)
  all.forEach((group, index) => bytes.writeUInt16BE(group, index * 2))
  return bytes
}
