// TLS contexts and secrets. Secrets travel by SDS over the same ADS stream; only the admin listener has its certificate inline.
import type { Messages } from '@weft/proto'
import type { Mutable, TypedMessage } from './drafts.ts'
import { apiVersion, sanType } from './enums.ts'
import { extensionNames } from './names.ts'
import { boolValue } from './values.ts'

type UpstreamTls = Messages['envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext']
type DownstreamTls = Messages['envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext']
type SdsSecretConfig = Messages['envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig']
type ConfigSource = Messages['envoy.config.core.v3.ConfigSource']

/** "Over the ADS stream, version 3". Shared, not to be edited. */
export const adsSource: Mutable<ConfigSource> = { ads: {}, resourceApiVersion: apiVersion.V3 }

/** The protocol name by which a server tells mesh TLS from an application's own. */
export const meshAlpn = 'kuma'

/** A secret that Envoy fetches over ADS. */
export function adsSecret(name: string): Mutable<SdsSecretConfig> {
  return { name, sdsConfig: adsSource }
}

export interface UpstreamTlsInput {
  /** Name of the client's certificate secret. */
  readonly identitySecret: string
  /** Name of the secret with the roots. */
  readonly trustSecret: string
  readonly sni: string
  /** Exact SPIFFE ids of the server, sorted. */
  readonly spiffeIds: readonly string[]
}

/** TLS towards a destination in the mesh (contract/dataplane.md section 11.2). */
export function upstreamTls(input: UpstreamTlsInput): Mutable<UpstreamTls> {
  return {
    sni: input.sni,
    commonTlsContext: {
      alpnProtocols: [meshAlpn],
      tlsCertificateSdsSecretConfigs: [adsSecret(input.identitySecret)],
      combinedValidationContext: {
        defaultValidationContext: {
          matchTypedSubjectAltNames: input.spiffeIds.map((id) => ({ sanType: sanType.URI, matcher: { exact: id } })),
        },
        validationContextSdsSecretConfig: adsSecret(input.trustSecret),
      },
    },
  }
}

export interface DownstreamTlsInput {
  readonly identitySecret: string
  readonly trustSecret: string
  /** Trust domains whose members may connect, sorted; empty: any identity that the roots vouch for. */
  readonly trustDomains: readonly string[]
}

/** Mutual TLS of a listener in the mesh (contract/dataplane.md section 11.2). */
export function downstreamTls(input: DownstreamTlsInput): Mutable<DownstreamTls> {
  return {
    requireClientCertificate: boolValue(true),
    commonTlsContext: {
      tlsCertificateSdsSecretConfigs: [adsSecret(input.identitySecret)],
      combinedValidationContext: {
        defaultValidationContext: {
          matchTypedSubjectAltNames: input.trustDomains.map((domain) => ({
            sanType: sanType.URI,
            matcher: { prefix: `spiffe://${domain}/` },
          })),
        },
        validationContextSdsSecretConfig: adsSecret(input.trustSecret),
      },
    },
  }
}

export interface InlineTlsInput {
  readonly certificatePem: string
  readonly keyPem: string
  /** Root that client certificates must lead to. */
  readonly clientCaPem: string
  /** DNS name that a client certificate must carry. */
  readonly clientName: string
}

/** Mutual TLS with everything inline: for the admin listener, which must work before any secret is served. */
export function inlineDownstreamTls(input: InlineTlsInput): Mutable<DownstreamTls> {
  return {
    requireClientCertificate: boolValue(true),
    commonTlsContext: {
      tlsCertificates: [
        {
          certificateChain: { inlineBytes: Buffer.from(input.certificatePem) },
          privateKey: { inlineBytes: Buffer.from(input.keyPem) },
        },
      ],
      validationContext: {
        trustedCa: { inlineBytes: Buffer.from(input.clientCaPem) },
        matchTypedSubjectAltNames: [{ sanType: sanType.DNS, matcher: { exact: input.clientName } }],
      },
    },
  }
}

/** TLS of a server whose certificate and key are files beside Envoy. */
export function fileDownstreamTls(certificatePath: string, keyPath: string): Mutable<DownstreamTls> {
  return {
    commonTlsContext: {
      tlsCertificates: [{ certificateChain: { filename: certificatePath }, privateKey: { filename: keyPath } }],
    },
  }
}

/** Names of the secrets a TLS context makes Envoy ask for. */
export function secretsOf(tls: Mutable<UpstreamTls> | Mutable<DownstreamTls> | undefined): readonly string[] {
  const common = tls?.commonTlsContext
  if (common === undefined) return []
  const names: string[] = []
  for (const secret of common.tlsCertificateSdsSecretConfigs ?? []) if (secret.name) names.push(secret.name)
  const combined = common.combinedValidationContext?.validationContextSdsSecretConfig?.name
  if (combined) names.push(combined)
  const alone = common.validationContextSdsSecretConfig?.name
  if (alone) names.push(alone)
  return names
}

/** The validator that accepts each trust domain by its own roots. */
export function spiffeValidator(domains: readonly { readonly name: string; readonly pem: string }[]): {
  readonly name: string
  readonly config: TypedMessage
} {
  return {
    name: extensionNames.spiffeValidator,
    config: {
      type: 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
      value: {
        trustDomains: domains.map((domain) => ({ name: domain.name, trustBundle: { inlineBytes: Buffer.from(domain.pem) } })),
      },
    },
  }
}
