// A dataplane server that only says what a test tells it to: takes delta ADS streams over TLS, notes every request, sends on demand.
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js'
import { createServerCertificate } from '@weft/identity'
import { anyOf, codec, type Messages, serviceDefinition } from '@weft/proto'
import { type SimulatedType, simulatedTypes, simulatedTypeUrls } from '../envoy-resource.ts'

type Request = Messages['envoy.service.discovery.v3.DeltaDiscoveryRequest']

/** What one proxy asked on one stream, and the means to answer it. */
export interface ScriptedStream {
  readonly requests: readonly Request[]
  readonly authorization: string
  /** Resolves with the next request nobody took yet. */
  next(): Promise<Request>
  send(type: SimulatedType, resources: readonly Scripted[], removed?: readonly string[]): void
  /** Any response, also one no control plane would send. */
  sendRaw(bytes: Uint8Array): void
  /** Ends the stream with a gRPC status. */
  end(code?: number): void
  readonly ended: Promise<void>
}

export interface Scripted {
  readonly name: string
  readonly version?: string
  readonly any: Messages['google.protobuf.Any']
}

export interface ScriptedServer extends AsyncDisposable {
  readonly address: string
  /** Resolves with the next stream nobody took yet. */
  stream(): Promise<ScriptedStream>
}

/** Listens on a free loopback port. `refuse`: ends every stream at once with that status. */
export async function startScriptedServer(options: { readonly onStream?: (stream: ScriptedStream) => void } = {}): Promise<ScriptedServer> {
  const certificate = await createServerCertificate({ hosts: ['127.0.0.1'], commonName: 'scripted', now: Date.now() })
  const server = new Server()
  const streams = queue<ScriptedStream>()
  server.addService(serviceDefinition('envoy.service.discovery.v3.AggregatedDiscoveryService'), {
    DeltaAggregatedResources: (call: ServerDuplexStream<Buffer, Uint8Array>) => {
      const stream = scripted(call)
      options.onStream?.(stream)
      streams.push(stream)
    },
    StreamAggregatedResources: (call: ServerDuplexStream<Buffer, Uint8Array>) => {
      call.emit('error', { code: status.UNIMPLEMENTED, details: 'delta only' })
    },
  })
  const pair = { private_key: Buffer.from(certificate.privateKeyPem), cert_chain: Buffer.from(certificate.certificatePem) }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [pair]), (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  return {
    address: `127.0.0.1:${port}`,
    stream: () => streams.next(),
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  }
}

function scripted(call: ServerDuplexStream<Buffer, Uint8Array>): ScriptedStream {
  const requests: Request[] = []
  const waiting = queue<Request>()
  let nonce = 0
  call.on('data', (bytes: Buffer) => {
    const request = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').decode(bytes)
    requests.push(request)
    waiting.push(request)
  })
  const ended = new Promise<void>((done) => {
    call.once('cancelled', done)
    call.once('end', done)
  })
  call.on('error', () => {})
  return {
    requests,
    authorization: call.metadata.get('authorization').join(),
    next: () => waiting.next(),
    send: (type, resources, removed = []) =>
      void call.write(
        codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').encode({
          typeUrl: simulatedTypeUrls[type],
          nonce: String(++nonce),
          resources: resources.map(({ name, version = '1', any }) => ({ name, version, resource: any })),
          removedResources: removed,
        }),
      ),
    sendRaw: (bytes) => void call.write(bytes),
    end: (code = status.OK) => {
      if (code === status.OK) call.end()
      else call.emit('error', { code, details: 'scripted' })
    },
    ended,
  }
}

/** The type a request is about. */
export function typeOf(request: Request): SimulatedType | undefined {
  return simulatedTypes.find((type) => simulatedTypeUrls[type] === request.typeUrl)
}

/** A cluster whose endpoints come by discovery, with a client certificate when `secrets` are named. */
export function cluster(name: string, { connectTimeoutMs = 1000, secrets = [] as readonly string[], version = '1' } = {}): Scripted {
  const context = anyOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', { commonTlsContext: commonTls(secrets) })
  return {
    name,
    version,
    any: anyOf('envoy.config.cluster.v3.Cluster', {
      name,
      type: 3,
      connectTimeout: { seconds: Math.floor(connectTimeoutMs / 1000), nanos: (connectTimeoutMs % 1000) * 1e6 },
      edsClusterConfig: { edsConfig: { ads: {} } },
      ...(secrets.length > 0 && { transportSocket: { name: 'tls', typedConfig: context } }),
    }),
  }
}

/** A load assignment with one endpoint for each health status given. */
export function assignment(name: string, healthStatuses: readonly number[], version = '1'): Scripted {
  const lbEndpoints = healthStatuses.map((healthStatus) => ({ healthStatus: healthStatus as 0 }))
  return {
    name,
    version,
    any: anyOf('envoy.config.endpoint.v3.ClusterLoadAssignment', { clusterName: name, endpoints: [{ lbEndpoints }] }),
  }
}

export function secret(name: string): Scripted {
  return { name, any: anyOf('envoy.extensions.transport_sockets.tls.v3.Secret', { name }) }
}

/** A listener that needs the secrets named, and the route configuration. */
export function listener(name: string, { secrets = [] as readonly string[], route = '' } = {}): Scripted {
  const context = anyOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', { commonTlsContext: commonTls(secrets) })
  const http = anyOf('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: name,
    rds: { routeConfigName: route, configSource: { ads: {} } },
  })
  return {
    name,
    any: anyOf('envoy.config.listener.v3.Listener', {
      name,
      filterChains: [
        {
          ...(secrets.length > 0 && { transportSocket: { name: 'tls', typedConfig: context } }),
          ...(route !== '' && { filters: [{ name: 'http', typedConfig: http }] }),
        },
      ],
    }),
  }
}

export function route(name: string): Scripted {
  return { name, any: anyOf('envoy.config.route.v3.RouteConfiguration', { name }) }
}

function commonTls(secrets: readonly string[]): Messages['envoy.extensions.transport_sockets.tls.v3.CommonTlsContext'] {
  return { tlsCertificateSdsSecretConfigs: secrets.map((name) => ({ name, sdsConfig: { ads: {} } })) }
}

interface Queue<T> {
  push(item: T): void
  next(): Promise<T>
}

function queue<T>(): Queue<T> {
  const items: T[] = []
  const takers: ((item: T) => void)[] = []
  return {
    push: (item) => {
      const taker = takers.shift()
      if (taker) taker(item)
      else items.push(item)
    },
    next: () => {
      const item = items.shift()
      return item === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(item)
    },
  }
}
