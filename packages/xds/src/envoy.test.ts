// The real proxy against this server: it has to accept everything, keep serving through every change, and name what it refuses.
// Needs an Envoy binary: ENVOY_PATH, or `envoy` on PATH.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, get } from 'node:http'
import type { AddressInfo, Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { it } from 'node:test'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { freePort } from '@weft/foundation/net'
import { systemClock } from '@weft/foundation/time'
import { anyOf, codec, enumValues, type Messages } from '@weft/proto'
import { adsServerOptions, createAdsService } from './ads-service.ts'
import { createCell } from './cell.ts'
import type { ProxySnapshot, ResourceCell } from './contract.ts'
import type { DeltaStream } from './delta-stream.ts'
import { encodeResource } from './encode-resource.ts'
import type { NackEvent } from './stream-events.ts'

const envoyPath = [
  process.env['ENVOY_PATH'] ?? '',
  ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'envoy')),
].find((path) => path !== '' && existsSync(path))
if (envoyPath === undefined) process.stdout.write('SKIP envoy.test.ts: no Envoy binary (set ENVOY_PATH)\n')

type Cluster = Messages['envoy.config.cluster.v3.Cluster']
type Listener = Messages['envoy.config.listener.v3.Listener']

const ads = { ads: {}, resourceApiVersion: enumValues('envoy.config.core.v3.ApiVersion').V3 }
const loopback = (port: number) => ({ socketAddress: { address: '127.0.0.1', portValue: port } })

/** Connecting may take longer than a machine stands still. */
function cluster(name: string, connectTimeoutSeconds = 60): ReturnType<typeof encodeResource> {
  const message: Cluster = {
    name,
    type: enumValues('envoy.config.cluster.v3.Cluster.DiscoveryType').EDS,
    connectTimeout: { seconds: connectTimeoutSeconds },
    edsClusterConfig: { edsConfig: ads },
  }
  return encodeResource('cluster', name, codec('envoy.config.cluster.v3.Cluster').encode(message), { endpoints: [name] })
}

function endpoints(name: string, port: number): ReturnType<typeof encodeResource> {
  const bytes = codec('envoy.config.endpoint.v3.ClusterLoadAssignment').encode({
    clusterName: name,
    endpoints: [{ lbEndpoints: [{ endpoint: { address: loopback(port) } }] }],
  })
  return encodeResource('endpoint', name, bytes)
}

function listener(name: string, port: number, target: string): ReturnType<typeof encodeResource> {
  const http: Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'] = {
    statPrefix: name,
    routeConfig: {
      name,
      virtualHosts: [{ name, domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: target } }] }],
      validateClusters: { value: true },
    },
    httpFilters: [{ name: 'router', typedConfig: anyOf('envoy.extensions.filters.http.router.v3.Router', {}) }],
  }
  const message: Listener = {
    name,
    address: loopback(port),
    filterChains: [
      {
        filters: [
          {
            name: 'http',
            typedConfig: anyOf('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', http),
          },
        ],
      },
    ],
  }
  return encodeResource('listener', name, codec('envoy.config.listener.v3.Listener').encode(message), { clusters: [target] })
}

/** Cells by name, made from what they hold now. */
class Mesh {
  readonly cluster = new Map<string, ResourceCell>()
  readonly endpoint = new Map<string, ResourceCell>()
  readonly listener = new Map<string, ResourceCell>()

  set(type: 'cluster' | 'endpoint' | 'listener', resource: ReturnType<typeof encodeResource>): void {
    const cell = this[type].get(resource.name)
    if (cell === undefined) this[type].set(resource.name, createCell(type, resource.name, resource))
    else cell.set(resource)
  }

  snapshot(): ProxySnapshot {
    return { cluster: new Map(this.cluster), endpoint: new Map(this.endpoint), listener: new Map(this.listener), secret: new Map() }
  }
}

async function listening(server: TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // a server on an IP address has an AddressInfo
  return (server.address() as AddressInfo).port
}

function fetchText(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve(`${response.statusCode} ${text}`))
    }).on('error', reject)
  })
}

function bootstrap(adsPort: number): unknown {
  const http2 = {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  }
  return {
    node: { id: 'default.web', cluster: 'web' },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'cp' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'cp',
          type: 'STATIC',
          typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2 },
          load_assignment: {
            cluster_name: 'cp',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: adsPort } } } }] }],
          },
        },
      ],
    },
  }
}

if (envoyPath !== undefined) {
  it('serves a real Envoy through changes, renames, refusals and reconnects without one failed request', { timeout: 400_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-xds-'))
    const upstreams = ['one', 'two'].map((text) => createServer((_, response) => response.end(text)))
    const [one, two] = [await listening(upstreams[0] ?? createServer()), await listening(upstreams[1] ?? createServer())]
    const port = await freePort()
    const mesh = new Mesh()
    mesh.set('cluster', cluster('a'))
    mesh.set('endpoint', endpoints('a', one))
    mesh.set('listener', listener('out', port, 'a'))

    const streams: DeltaStream[] = []
    const nacks: NackEvent[] = []
    const sent: string[] = []
    let changed = (): void => {}
    const until = async (reached: () => boolean): Promise<void> => {
      while (!reached()) await new Promise<void>((resolve) => (changed = resolve))
    }
    const service = createAdsService<void>({
      // every request here goes over a connection of its own, so nothing has to drain
      limits: { drainMs: 0 },
      authenticate: async () => {},
      onStream: (stream) => {
        streams.push(stream)
        stream.assign(mesh.snapshot())
        changed()
        return {
          onSent: ({ type, updates, removed }) =>
            sent.push([type, ...updates.map((u) => `+${u.name}`), ...removed.map((n) => `-${n}`)].join(' ')),
          onAck: () => queueMicrotask(changed),
          onNack: (nack) => {
            nacks.push(nack)
            queueMicrotask(changed)
          },
        }
      },
      controlPlane: 'cp-1',
      clock: systemClock,
      log: silentLogger,
      metrics: createMetrics(),
    })
    let server: Server | undefined
    const serve = async (wanted: number): Promise<number> => {
      server = new Server(adsServerOptions)
      server.addService(service.definition, service.handlers)
      const bind = (address: string) =>
        new Promise<number>((resolve, reject) =>
          server?.bindAsync(address, ServerCredentials.createInsecure(), (e, bound) => (e ? reject(e) : resolve(bound))),
        )
      return bind(`127.0.0.1:${wanted}`)
    }
    const adsPort = await serve(await freePort())
    await writeFile(join(folder, 'bootstrap.json'), JSON.stringify(bootstrap(adsPort)))
    const envoy: ChildProcess = spawn(
      envoyPath,
      ['-c', join(folder, 'bootstrap.json'), '--concurrency', '1', '--disable-hot-restart', '-l', 'off', '--base-id', String(port)],
      { stdio: 'ignore' },
    )
    const settled = (): Promise<void> => until(() => streams.at(-1)?.settled === true)
    const apply = async (edit: () => void): Promise<readonly string[]> => {
      sent.length = 0
      edit()
      streams.at(-1)?.assign(mesh.snapshot())
      await until(() => streams.at(-1)?.settled === true && sent.length > 0)
      return [...sent]
    }
    /** Until the answer is this one: Envoy's workers follow a moment after it has acknowledged. No request fails meanwhile. */
    const answers = async (text: string): Promise<void> => {
      for (;;) {
        const answer = await fetchText(port)
        if (answer === `200 ${text}`) return
        assert.match(answer, /^200 /)
      }
    }
    try {
      await until(() => streams.at(-1)?.ackedVersion('listener', 'out') !== undefined)
      await settled()
      assert.deepEqual(sent, ['cluster +a', 'endpoint +a', 'listener +out'])
      await answers('one')

      // one endpoint moves
      assert.deepEqual(await apply(() => mesh.set('endpoint', endpoints('a', two))), ['endpoint +a'])
      await answers('two')

      // the cluster changes and has to warm with a load assignment that did not
      assert.deepEqual(await apply(() => mesh.set('cluster', cluster('a', 50))), ['cluster +a', 'endpoint +a'])
      await answers('two')

      // the service is renamed; Envoy refuses a route to a cluster that it lacks
      const renamed = await apply(() => {
        mesh.set('cluster', cluster('b'))
        mesh.set('endpoint', endpoints('b', one))
        mesh.set('listener', listener('out', port, 'b'))
        mesh.cluster.delete('a')
        mesh.endpoint.delete('a')
      })
      assert.deepEqual(renamed, ['cluster +b', 'endpoint +b', 'listener +out', 'cluster -a'])
      await answers('one')

      // another listener takes over the address
      const replaced = await apply(() => {
        mesh.listener.delete('out')
        mesh.set('listener', listener('out-2', port, 'b'))
      })
      assert.deepEqual(replaced, ['listener +out-2 -out'])
      await answers('one')

      // a refused cluster holds up nothing and is named
      assert.equal(nacks.length, 0)
      mesh.set('cluster', {
        ...cluster('bad'),
        ...encodeResource('cluster', 'bad', codec('envoy.config.cluster.v3.Cluster').encode({ name: 'bad', type: 3 }), {}),
      })
      mesh.set('endpoint', endpoints('b', two))
      streams.at(-1)?.assign(mesh.snapshot())
      await until(() => nacks.length > 0 && streams.at(-1)?.ackedVersion('endpoint', 'b') === mesh.endpoint.get('b')?.current?.version)
      assert.deepEqual([nacks[0]?.type, nacks[0]?.rejected], ['cluster', ['bad']])
      await answers('two')
      mesh.cluster.delete('bad')
      streams.at(-1)?.assign(mesh.snapshot())
      await settled()

      // the control plane comes back: Envoy reports what it has and is sent nothing
      sent.length = 0
      server?.forceShutdown()
      await serve(adsPort)
      await until(() => streams.length === 2 && sent.length === 2 && streams.at(-1)?.settled === true)
      assert.deepEqual([...sent].sort(), ['cluster', 'listener'])
      await answers('two')
      assert.equal(nacks.length, 1)
    } finally {
      envoy.kill('SIGKILL')
      await once(envoy, 'exit')
      server?.forceShutdown()
      for (const upstream of upstreams) upstream.close()
      await rm(folder, { recursive: true })
    }
  })
}
