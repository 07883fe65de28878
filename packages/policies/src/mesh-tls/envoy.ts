// MeshTLS: mutual TLS on inbounds of proxies with an identity, also when no policy exists (contract/policies.md section 3.7).
import { downstreamTls, type FilterChainDraft, meshAlpn } from '@weft/envoy'
import type { IdentityView, PolicyPlugin } from '../plugin.ts'
import { type MeshTlsInboundConf, meshTlsClientParameters, meshTlsInboundConf, type TlsParameters } from './conf.ts'

/** Rebuilds the inbound's chains: one with TLS, or plaintext, foreign TLS and mesh TLS side by side. */
export const meshTlsPlugin: PolicyPlugin<MeshTlsInboundConf, TlsParameters | undefined> = {
  type: 'MeshTLS',
  order: 300,
  inboundConf: ({ rules }) => meshTlsInboundConf(rules),
  outboundConf: ({ policies, destination }) => (destination.kind === 'MeshExternalService' ? undefined : meshTlsClientParameters(policies)),
  inbound({ identity, listener }, conf) {
    const [plain] = listener.chains
    if (identity === undefined || plain === undefined) return
    const tls = contextOf(identity, conf)
    if (conf.mode === 'Strict') {
      listener.chains = [{ ...plain, tls }]
      return
    }
    listener.tlsInspector = true
    // policies that follow edit each chain by itself
    listener.chains = [
      withMatch(plain, { transportProtocol: 'raw_buffer' }),
      withMatch(structuredClone(plain), { transportProtocol: 'tls' }),
      withMatch({ ...structuredClone(plain), tls }, { transportProtocol: 'tls', applicationProtocols: [meshAlpn] }),
    ]
  },
  outboundCluster({ cluster }, parameters) {
    const common = cluster.tls?.commonTlsContext
    if (common && parameters !== undefined) common.tlsParams = paramsMessage(parameters)
  },
}

function contextOf(identity: IdentityView, conf: MeshTlsInboundConf): NonNullable<FilterChainDraft['tls']> {
  const context = downstreamTls({ identitySecret: identity.secret, trustSecret: identity.trustSecret, trustDomains: identity.trustDomains })
  if (context.commonTlsContext && conf.parameters !== undefined) context.commonTlsContext.tlsParams = paramsMessage(conf.parameters)
  return context
}

function paramsMessage(parameters: TlsParameters) {
  return {
    ...(parameters.min === undefined ? {} : { tlsMinimumProtocolVersion: parameters.min }),
    ...(parameters.max === undefined ? {} : { tlsMaximumProtocolVersion: parameters.max }),
    ...(parameters.ciphers === undefined ? {} : { cipherSuites: [...parameters.ciphers] }),
  }
}

function withMatch(chain: FilterChainDraft, match: NonNullable<FilterChainDraft['match']>): FilterChainDraft {
  return { ...chain, match: { ...chain.match, ...match } }
}
