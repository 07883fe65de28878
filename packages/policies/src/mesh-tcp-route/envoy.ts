// MeshTCPRoute: the clusters of an outbound's TCP proxy (contract/policies.md section 3.6).
import type { PolicyPlugin } from '../plugin.ts'
import { weightedClusters } from '../weighted-clusters.ts'
import { tcpRouteShape } from './shape.ts'

/** Writes the splits into TCP chains; without a policy that is the outbound's own cluster. */
export const meshTcpRoutePlugin: PolicyPlugin = {
  type: 'MeshTCPRoute',
  order: 200,
  outboundShape: tcpRouteShape,
  outboundListener({ name, listener, tcpSplits }) {
    const [first] = tcpSplits
    if (first === undefined) return
    for (const { terminal } of listener.chains) {
      if (terminal.kind !== 'tcp') continue
      if (tcpSplits.length === 1) {
        terminal.config.cluster = first.backend.name ?? name
        delete terminal.config.weightedClusters
      } else {
        delete terminal.config.cluster
        terminal.config.weightedClusters = { clusters: [...weightedClusters(tcpSplits, name)] }
      }
    }
  },
}
