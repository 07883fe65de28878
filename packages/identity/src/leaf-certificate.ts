// End-entity certificates, written as DER directly: a reconnecting zone needs two for each proxy at once, and the general X.509 library takes
// ten times as long for each (docs/adr/0008). What comes from outside is never read here.
import 'reflect-metadata'
import { createHash, randomBytes, sign as signBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import { X509Certificate as LibraryCertificate } from '@peculiar/x509'
import type { CertificateAuthority } from './certificates.ts'
import { bitString, der, lastElement, objectId, octets, positive, sequence, time, yes } from './der.ts'
import { type KeyPair, type KeyType, pem } from './key-pair.ts'

/** A name in a certificate: the URI of a workload, a DNS name or an IP address. */
export type LeafName = { readonly uri: string } | { readonly host: string }

export interface LeafRequest {
  /** Subject common name; undefined leaves the subject empty, and then the name is critical (RFC 5280 section 4.2.1.6). */
  readonly commonName: string | undefined
  readonly name: LeafName
  readonly usages: readonly ('digitalSignature' | 'keyEncipherment' | 'keyAgreement')[]
  readonly purposes: readonly ('serverAuth' | 'clientAuth')[]
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
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
const usageBits = { digitalSignature: 0x80, keyEncipherment: 0x20, keyAgreement: 0x08 } as const
const purposeIds = { serverAuth: objectId('1.3.6.1.5.5.7.3.1'), clientAuth: objectId('1.3.6.1.5.5.7.3.2') } as const
const extensionIds = {
  subjectKeyId: objectId('2.5.29.14'),
  keyUsage: objectId('2.5.29.15'),
  alternativeName: objectId('2.5.29.17'),
  basicConstraints: objectId('2.5.29.19'),
  authorityKeyId: objectId('2.5.29.35'),
  extendedKeyUsage: objectId('2.5.29.37'),
} as const
const version3 = der(0xa0, Buffer.from([0x02, 0x01, 0x02]))
const sign = promisify(signBytes)

interface IssuerParts {
  readonly name: Uint8Array
  readonly authorityKeyId: Buffer
}
const issuers = new WeakMap<CertificateAuthority, IssuerParts>()

/** A certificate for `subject`, signed by the authority, as PEM. */
export async function issueLeaf(authority: CertificateAuthority, subject: KeyPair, request: LeafRequest): Promise<string> {
  const issuer = issuerParts(authority)
  const scheme = schemes[authority.keys.type]
  const publicKey = subject.publicKey.export({ type: 'spki', format: 'der' })
  const isUnnamed = request.commonName === undefined
  const usage = request.usages.reduce((bits, name) => bits | usageBits[name], 0)
  const extensions = sequence(
    extension(extensionIds.basicConstraints, sequence(), true),
    extension(extensionIds.keyUsage, bitString(Buffer.from([usage]), trailingZeros(usage)), true),
    extension(extensionIds.extendedKeyUsage, sequence(...request.purposes.map((purpose) => purposeIds[purpose])), false),
    extension(extensionIds.alternativeName, sequence(alternativeName(request.name)), isUnnamed),
    extension(extensionIds.subjectKeyId, octets(keyId(publicKey)), false),
    issuer.authorityKeyId,
  )
  const toBeSigned = sequence(
    version3,
    positive(serialBytes()),
    scheme.algorithm,
    issuer.name,
    sequence(time(request.notBefore), time(request.notAfter)),
    request.commonName === undefined ? sequence() : commonName(request.commonName),
    publicKey,
    der(0xa3, extensions),
  )
  const signature = await sign(scheme.hash, toBeSigned, authority.keys.privateKey)
  return pem('CERTIFICATE', sequence(toBeSigned, scheme.algorithm, bitString(signature)))
}

/** Serial number bytes: 127 random bits, positive, the first byte not zero. */
export function serialBytes(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

function issuerParts(authority: CertificateAuthority): IssuerParts {
  let parts = issuers.get(authority)
  if (parts === undefined) {
    const publicKey = authority.certificate.publicKey.export({ type: 'spki', format: 'der' })
    const name = new Uint8Array(new LibraryCertificate(authority.certificate.raw).subjectName.toArrayBuffer())
    parts = { name, authorityKeyId: extension(extensionIds.authorityKeyId, sequence(der(0x80, keyId(publicKey))), false) }
    issuers.set(authority, parts)
  }
  return parts
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

function commonName(text: string): Buffer {
  return sequence(der(0x31, sequence(objectId('2.5.4.3'), der(0x0c, Buffer.from(text, 'utf8')))))
}

function alternativeName(name: LeafName): Buffer {
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
