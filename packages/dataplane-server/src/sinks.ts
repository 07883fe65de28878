// What the dataplane server tells the rest of the control plane about proxies. The app connects these to the sources of the mesh's facts.
import type { ProxyMetadata } from '@weft/facts'

/** What is known of a proxy's endpoints besides its Dataplane. Both absent: nothing special. */
export interface EndpointState {
  /** The proxy reported that it drains, or is not ready yet: its endpoints take no new traffic. */
  readonly draining?: boolean
  /** Its stream is gone: its endpoints are the last choice. */
  readonly degraded?: boolean
}

/** Keys are `mesh/name`. Calls are synchronous, in order, and never throw. */
export interface ProxySinks {
  readonly proxies: {
    /** A proxy is connected and proven; called again when it returns with other metadata. */
    set(proxyKey: string, metadata: ProxyMetadata, registered: { readonly ownsDataplane: boolean }): void
    /** It is gone for good: its Dataplane was removed, or its stream ended without one of its own. */
    delete(proxyKey: string): void
  }
  readonly endpointStates: {
    set(proxyKey: string, state: EndpointState): void
    delete(proxyKey: string): void
  }
  readonly tlsAccepting: {
    /** The proxy runs listeners that accept mTLS with a certificate of this MeshIdentity (KRI). */
    set(proxyKey: string, identityKri: string): void
    delete(proxyKey: string): void
  }
  /** Runs `tell`; what it tells of many proxies is one change of the facts. A change costs whatever follows from it, for a whole service each time. */
  together(tell: () => void): void
}

/** Sinks that ignore everything. */
export const noSinks: ProxySinks = {
  proxies: { set: () => {}, delete: () => {} },
  endpointStates: { set: () => {}, delete: () => {} },
  tlsAccepting: { set: () => {}, delete: () => {} },
  together: (tell) => tell(),
}
