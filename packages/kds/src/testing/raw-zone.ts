// A stock zone as raw as it gets: exact headers and messages on a grpc-js client, no sync code of ours.
import { Client, credentials, Metadata, type ClientDuplexStream, status } from '@grpc/grpc-js'
import { codec, type Messages } from '@weft/proto'

type Request = Messages['envoy.service.discovery.v3.DeltaDiscoveryRequest']
type Response = Messages['envoy.service.discovery.v3.DeltaDiscoveryResponse']

const requests = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest')
const responses = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse')
const resources = codec('kuma.mesh.v1alpha1.KumaResource')
const structs = codec('google.protobuf.Struct')

const pass = (bytes: Uint8Array): Buffer => Buffer.from(bytes)

/** A mailbox: messages wait for a reader, readers wait for messages. */
export function mailbox<T>(): { push(value: T): void; take(what?: string): Promise<T>; readonly waiting: readonly T[] } {
  const values: T[] = []
  const readers: ((value: T) => void)[] = []
  return {
    waiting: values,
    push: (value) => {
      const reader = readers.shift()
      if (reader) reader(value)
      else values.push(value)
    },
    take: (what = 'a message') => {
      const value = values.shift()
      if (value !== undefined) return Promise.resolve(value)
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`timed out waiting for ${what}`)), 120_000)
        readers.push((next) => {
          clearTimeout(timer)
          resolve(next)
        })
      })
    },
  }
}

export interface RawStream {
  readonly call: ClientDuplexStream<Uint8Array, Buffer>
  readonly ended: Promise<{ readonly code: status; readonly details: string }>
  next(): Promise<Buffer>
  send(bytes: Uint8Array): void
}

export interface RawZone extends AsyncDisposable {
  open(method: string, headers?: Metadata): RawStream
  headers(): Metadata
  /** The answer to a health check. */
  healthCheck(): Promise<Buffer>
  node(features?: readonly string[], extra?: Readonly<Record<string, unknown>>): NonNullable<Request['node']>
}

export const stockFeatures = ['zone-token', 'hash-suffix', 'hg-mz-selector', 'producer-policy-flow']

/** A client that names itself `zone` and dials without TLS. */
export function rawZone(zone: string, port: number): RawZone {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  const headers = (): Metadata => {
    const metadata = new Metadata()
    metadata.set('client-id', zone)
    metadata.add('features', 'zone-ping-health')
    metadata.add('features', 'hash-suffix')
    metadata.set('version', '3.0.0')
    metadata.set('kds-version', 'v3')
    metadata.set('zone-version', 'v3')
    return metadata
  }
  return {
    headers,
    node: (features = stockFeatures, extra = {}) => ({
      id: zone,
      metadata: structs.fromJson({
        version: { kumaCp: { version: '3.0.0', gitTag: 'v3.0.0', gitCommit: 'x', buildDate: 'y' } },
        config: '{"store":{"type":"memory"}}',
        'control-plane-id': `${zone}-abcd`,
        features,
        ...extra,
      }),
    }),
    healthCheck: () =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          methods.healthCheck,
          pass,
          (bytes: Buffer) => bytes,
          new Uint8Array(0),
          headers(),
          (error, answer) => {
            if (answer) resolve(answer)
            else reject(error ?? new Error('no answer'))
          },
        )
      }),
    open: (method, metadata = headers()) => {
      const call = client.makeBidiStreamRequest<Uint8Array, Buffer>(method, pass, (bytes) => bytes, metadata)
      const box = mailbox<Buffer>()
      call.on('data', (bytes: Buffer) => box.push(bytes))
      call.on('error', () => {})
      const ended = new Promise<{ code: status; details: string }>((resolve) =>
        call.on('status', ({ code, details }) => resolve({ code, details })),
      )
      return { call, ended, next: () => box.take(method), send: (bytes) => void call.write(bytes) }
    },
    [Symbol.asyncDispose]: async () => client.close(),
  }
}

export const methods = {
  globalToZone: '/kuma.mesh.v1alpha1.KDSSyncService/GlobalToZoneSync',
  zoneToGlobal: '/kuma.mesh.v1alpha1.KDSSyncService/ZoneToGlobalSync',
  healthCheck: '/kuma.mesh.v1alpha1.GlobalKDSService/HealthCheck',
  ping: '/weft.sync.v1.PeerService/Ping',
  configDump: '/kuma.mesh.v1alpha1.GlobalKDSService/StreamXDSConfigs',
} as const

export const encodeRequest = (request: Request): Uint8Array => requests.encode(request)
export const decodeRequest = (bytes: Uint8Array): Request => requests.decode(bytes)
export const encodeResponse = (response: Response): Uint8Array => responses.encode(response)
export const decodeResponse = (bytes: Uint8Array): Response => responses.decode(bytes)

export interface PlainResource {
  readonly name: string
  readonly version: string
  readonly meta: { readonly name: string; readonly mesh: string; readonly labels: Readonly<Record<string, string>> }
  readonly spec: unknown
}

/** The resources of a response whose specs are JSON. */
export function jsonResources(response: Response): readonly PlainResource[] {
  return (response.resources ?? []).map(({ name, version, resource }) => {
    const { meta, spec } = resources.decode(resource?.value ?? new Uint8Array(0))
    return {
      name: name ?? '',
      version: version ?? '',
      meta: { name: meta?.name ?? '', mesh: meta?.mesh ?? '', labels: { ...meta?.labels } },
      spec: spec?.typeUrl === '' ? JSON.parse(Buffer.from(spec.value ?? []).toString()) : spec?.typeUrl,
    }
  })
}

/** A resource as a stock sender packs it. */
export function jsonResource(
  mesh: string,
  name: string,
  spec: unknown,
  labels: Readonly<Record<string, string>> = {},
): NonNullable<Response['resources']>[number] {
  const value = resources.encode({ meta: { name, mesh, labels }, spec: { typeUrl: '', value: Buffer.from(JSON.stringify(spec)) } })
  return {
    name: `${name}.${mesh}`,
    version: `v-${name}`,
    resource: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource', value },
  }
}
