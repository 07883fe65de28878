// Before anything is measured the proxies of a fleet's process play their whole part once, against a control plane of a few lines in the same
// process: what a process does for the first time it does slowly and compiles, and would take from the machine while others are measured.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { createServerCertificate } from '@weft/identity'
import { anyOf, codec, type google, type Messages } from '@weft/proto'
import { type SimulatedType, simulatedTypes, simulatedTypeUrls } from './envoy-resource.ts'
import { createFleet } from './fleet.ts'
import { framed, messageReader } from './grpc-call.ts'
import { type FleetPlan, planSidecar } from './simulated-dataplane.ts'

const plan: FleetPlan = { mesh: 'rehearsal', zones: ['here'], services: 10, reachable: 10, probes: 0 }
const sidecars = 16
const edits = 32
/** For one wait. What is not through then is measured as it is. */
const patienceMs = 30_000
const names = planSidecar(plan, { zone: 'here', name: 'any', workload: 'any', index: 0, service: 0 }).backends

/** Starts a fleet, completes it, has it follow edits, and ends it. Resolves with true when all of that happened. */
export async function rehearse(): Promise<boolean> {
  const certificate = await createServerCertificate({ hosts: ['127.0.0.1'], commonName: 'rehearsal', now: Date.now() })
  const streams = new Set<ServerHttp2Stream>()
  const discovery = createSecureServer({ key: certificate.privateKeyPem, cert: certificate.certificatePem })
  discovery.on('stream', (stream: ServerHttp2Stream) => serve(stream, streams))
  const tokens = createServer((_, response) => response.end('token'))
  const [discoveryPort, tokenPort] = await Promise.all([listening(discovery), listening(tokens)])
  const fleet = createFleet({
    plan,
    zone: 'here',
    address: `127.0.0.1:${discoveryPort}`,
    api: `http://127.0.0.1:${tokenPort}`,
    sidecars,
  })
  try {
    await fleet.start()
    let isDone = await fleet.waitFor('complete', patienceMs)
    for (let edit = 1; edit <= edits && isDone; edit++) {
      fleet.mark({ connectTimeoutMs: 1000 + edit })
      const clusters = response('cluster', names, edit)
      const assignments = response('endpoint', names, edit)
      for (const stream of streams) {
        stream.write(clusters)
        stream.write(assignments)
      }
      isDone = await fleet.waitFor('reached', patienceMs)
    }
    return isDone
  } finally {
    fleet.stop()
    for (const stream of streams) stream.destroy()
    discovery.close()
    tokens.close()
    tokens.closeAllConnections()
  }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // a server on a TCP port has an address of this kind
  return (server.address() as AddressInfo).port
}

function serve(stream: ServerHttp2Stream, streams: Set<ServerHttp2Stream>): void {
  streams.add(stream)
  stream.on('close', () => streams.delete(stream))
  stream.on('error', () => {})
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
  const read = messageReader((message) => {
    const request = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').decode(message)
    const type = simulatedTypes.find((each) => simulatedTypeUrls[each] === request.typeUrl)
    if (!type || request.responseNonce) return
    const isNamed = type === 'endpoint' || type === 'secret' || type === 'route'
    stream.write(response(type, isNamed ? (request.resourceNamesSubscribe ?? []) : names, 0))
  })
  stream.on('data', read)
}

function response(type: SimulatedType, of: readonly string[], edit: number): Buffer {
  const version = `version-${edit}`
  const resources = of.map((name) => ({ name, version, resource: resourceOf[type](name, edit) }))
  const message = { typeUrl: simulatedTypeUrls[type], nonce: `${type}-${edit}`, resources }
  return framed(codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').encode(message))
}

/** The messages most of a proxy's configuration consists of, so that their shapes are known afterwards. */
const resourceOf: Readonly<Record<SimulatedType, (name: string, edit: number) => google.protobuf.Any>> = {
  cluster: (name, edit) =>
    anyOf('envoy.config.cluster.v3.Cluster', {
      name,
      type: 3,
      connectTimeout: { seconds: 1, nanos: edit * 1e6 },
      edsClusterConfig: { edsConfig: { ads: {} } },
      transportSocket: {
        name: 'tls',
        typedConfig: anyOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', { commonTlsContext: tls }),
      },
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': anyOf('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
          explicitHttpConfig: { http2ProtocolOptions: {} },
        }),
      },
    }),
  endpoint: (clusterName) =>
    anyOf('envoy.config.endpoint.v3.ClusterLoadAssignment', {
      clusterName,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: 1 } } }, healthStatus: 1 }] }],
    }),
  secret: (name) => anyOf('envoy.extensions.transport_sockets.tls.v3.Secret', { name }),
  listener: (name) =>
    anyOf('envoy.config.listener.v3.Listener', {
      name,
      filterChains: [
        {
          transportSocket: {
            name: 'tls',
            typedConfig: anyOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', { commonTlsContext: tls }),
          },
          filters: [
            {
              name: 'http',
              typedConfig: anyOf('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
                statPrefix: name,
                rds: { routeConfigName: name, configSource: { ads: {} } },
              }),
            },
            {
              name: 'tcp',
              typedConfig: anyOf('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { statPrefix: name, cluster: name }),
            },
          ],
        },
      ],
    }),
  route: (name) =>
    anyOf('envoy.config.route.v3.RouteConfiguration', {
      name,
      virtualHosts: [{ name, domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: name } }] }],
    }),
}

const tls: Messages['envoy.extensions.transport_sockets.tls.v3.CommonTlsContext'] = {
  tlsCertificateSdsSecretConfigs: [{ name: 'identity', sdsConfig: { ads: {} } }],
}
