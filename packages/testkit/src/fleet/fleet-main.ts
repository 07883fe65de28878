// The child of `spawnFleet`: one fleet, driven by its parent's calls.
import { messageOf } from '@weft/foundation/errors'
import { warm } from '@weft/proto'
import { createFleet, type FleetOptions } from './fleet.ts'
import { type FleetAnswer, fleetCalls, type FleetRequest } from './fleet-process.ts'

// an interrupt goes to the whole group; the parent decides when this ends
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))

// nothing is compiled while something is measured
warm([
  'google.protobuf.Struct',
  'envoy.service.discovery.v3.DeltaDiscoveryRequest',
  'envoy.service.discovery.v3.DeltaDiscoveryResponse',
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  'envoy.extensions.transport_sockets.tls.v3.Secret',
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
])
// written by the parent with JSON.stringify of these very options
const fleet = createFleet(JSON.parse(process.argv[2] ?? '{}') as FleetOptions)

process.on('message', (message) => void answer(message as FleetRequest))

async function answer({ id, call, args }: FleetRequest): Promise<void> {
  try {
    if (!fleetCalls.includes(call)) throw new Error(`a fleet has no call ${String(call)}`)
    // the parent's methods have the parameters of the fleet's
    const method = fleet[call] as (...args: readonly unknown[]) => unknown
    send({ id, result: await method(...args) })
  } catch (error) {
    send({ id, error: messageOf(error) })
  }
}

function send(message: FleetAnswer): void {
  process.send?.(message)
}
