// Secrets: a proxy's own certificate, and the roots it trusts (contract/dataplane.md section 11.1).
import { codec } from '@weft/proto'
import { packAny } from './any.ts'
import { systemNames } from './names.ts'
import { spiffeValidator } from './tls.ts'

export interface CertificateInput {
  /** Name of the secret: the KRI of the MeshIdentity. */
  readonly name: string
  readonly certChainPem: string
  readonly keyPem: string
}

/** Bytes of the secret that holds a proxy's certificate and key. */
export function encodeCertificateSecret(input: CertificateInput): Uint8Array {
  return codec('envoy.extensions.transport_sockets.tls.v3.Secret').encode({
    name: input.name,
    tlsCertificate: {
      certificateChain: { inlineBytes: Buffer.from(input.certChainPem) },
      privateKey: { inlineBytes: Buffer.from(input.keyPem) },
    },
  })
}

/** Bytes of the trust bundle secret; domains sorted by name. */
export function encodeTrustBundleSecret(domains: readonly { readonly name: string; readonly pem: string }[]): Uint8Array {
  const validator = spiffeValidator(domains)
  return codec('envoy.extensions.transport_sockets.tls.v3.Secret').encode({
    name: systemNames.trustBundle,
    validationContext: { customValidatorConfig: { name: validator.name, typedConfig: packAny(validator.config) } },
  })
}
