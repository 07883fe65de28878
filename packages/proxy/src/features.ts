// Features a proxy announced, by the effect they have on its configuration (contract/dataplane.md section 3.3).
import type { ProxyFacts, ProxyMetadata } from '@weft/facts'

const names = {
  bindOutbounds: 'feature-bind-outbounds',
  strictInboundPorts: 'feature-strict-inbound-ports',
  readinessSocket: 'feature-readiness-unix-socket',
  reusePort: 'feature-reuse-port',
  otelSockets: 'feature-otel-via-kuma-dp',
  /** Of our own launcher: its zone ingress answers probes. A stock launcher's ingress is exactly the reference's. */
  ingressProbe: 'feature-weft-ingress-probe',
  /** Of our own launcher: names of the mesh resolve also when outbounds bind their addresses. A stock launcher gets none then. */
  boundNames: 'feature-weft-bound-names',
} as const

/** What the generators ask about a proxy. */
export interface ProxyTraits {
  /** Outbound listeners bind their addresses although traffic is redirected. */
  readonly bindOutbounds: boolean
  /** Undeclared inbound ports may be closed. */
  readonly strictInboundPorts: boolean
  /** Readiness answers on a Unix socket. */
  readonly readinessSocket: boolean
  readonly reusePort: boolean
  /** The launcher takes OpenTelemetry signals on sockets and sends them on. */
  readonly otelSockets: boolean
  /** Its zone ingress answers probes, also when it has nothing to route to. */
  readonly ingressProbe: boolean
  /** Its DNS knows the names of the mesh also when outbounds bind their addresses. */
  readonly boundNames: boolean
  /** Traffic is redirected and reaches listeners through the passthrough listeners. */
  readonly redirected: boolean
}

const traits = new WeakMap<ProxyMetadata, ProxyTraits>()

/** The traits of one proxy; the same object for the same metadata. */
export function traitsOf({ proxy }: ProxyFacts): ProxyTraits {
  let known = traits.get(proxy)
  if (known === undefined) {
    known = proxyTraits(proxy)
    traits.set(proxy, known)
  }
  return known
}

function proxyTraits(proxy: ProxyMetadata): ProxyTraits {
  const features = new Set(proxy.features)
  const bindOutbounds = features.has(names.bindOutbounds)
  return {
    bindOutbounds,
    strictInboundPorts: features.has(names.strictInboundPorts),
    readinessSocket: features.has(names.readinessSocket),
    reusePort: features.has(names.reusePort),
    otelSockets: features.has(names.otelSockets),
    ingressProbe: features.has(names.ingressProbe),
    boundNames: features.has(names.boundNames),
    redirected: proxy.transparentProxy !== undefined,
  }
}
