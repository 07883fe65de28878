// End-entity certificates below an authority.
import type { CertificateAuthority } from './certificates.ts'
import {
  alternativeNames,
  authorityKeyId,
  basicConstraints,
  type CertificateName,
  distinguishedName,
  extendedKeyUsage,
  type KeyPurpose,
  type KeyUsage,
  keyUsage,
  signedCertificate,
  subjectKeyId,
  subjectOf,
} from './certificate-form.ts'
import { type KeyPair, publicKeyDer } from './key-pair.ts'

export interface LeafRequest {
  /** Subject common name; undefined leaves the subject empty, and then the name is critical. */
  readonly commonName: string | undefined
  readonly name: CertificateName
  readonly usages: readonly KeyUsage[]
  readonly purposes: readonly KeyPurpose[]
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  readonly notAfter: number
}

interface IssuerParts {
  readonly name: Uint8Array
  readonly authorityKeyId: Buffer
}
const issuers = new WeakMap<CertificateAuthority, IssuerParts>()

/** A certificate for `subject`, signed by the authority, as PEM. */
export async function issueLeaf(authority: CertificateAuthority, subject: KeyPair, request: LeafRequest): Promise<string> {
  const issuer = issuerParts(authority)
  const { commonName, notBefore, notAfter } = request
  const publicKey = publicKeyDer(subject)
  return signedCertificate(
    {
      issuer: issuer.name,
      subject: commonName === undefined ? distinguishedName() : distinguishedName(['CN', commonName]),
      publicKey,
      notBefore,
      notAfter,
      extensions: [
        basicConstraints(false),
        keyUsage(request.usages),
        extendedKeyUsage(request.purposes),
        alternativeNames([request.name], commonName === undefined),
        subjectKeyId(publicKey),
        issuer.authorityKeyId,
      ],
    },
    authority.keys,
  )
}

function issuerParts(authority: CertificateAuthority): IssuerParts {
  let parts = issuers.get(authority)
  if (parts === undefined) {
    const { raw, publicKey } = authority.certificate
    parts = { name: subjectOf(raw), authorityKeyId: authorityKeyId(publicKey.export({ type: 'spki', format: 'der' })) }
    issuers.set(authority, parts)
  }
  return parts
}
