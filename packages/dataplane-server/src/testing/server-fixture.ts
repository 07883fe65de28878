// A dataplane server on a free loopback port over a memory store, with a signing key, one mesh and a gRPC client, for tests.
import { ChannelCredentials, Client, type ClientDuplexStream, Metadata, type StatusObject } from '@grpc/grpc-js'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { type Clock, FakeClock, systemClock, type Timer } from '@weft/foundation/time'
import {
  createKeyRing,
  createServerCertificate,
  createTokenIssuer,
  createTokenVerifier,
  generateSigningKey,
  loadAdminAuthority,
  secretSpec,
  signingKeyRef,
} from '@weft/identity'
import type { ProxyStatusRecorder } from '@weft/insights'
import { codec, type Messages } from '@weft/proto'
import type { Labels, Resource } from '@weft/resources'
import { createMemoryStore, type Store } from '@weft/store'
import { type ProxySnapshot, typeUrls } from '@weft/xds'
import { createDataplaneServer, type DataplaneServer, type DataplaneServerOptions } from '../dataplane-server.ts'
import { defaultDataplaneServerSettings, type DataplaneServerSettings } from '../settings.ts'
import type { ProxySinks } from '../sinks.ts'

export const mesh = 'default'
export const emptySnapshot: ProxySnapshot = { cluster: new Map(), endpoint: new Map(), listener: new Map(), secret: new Map() }

let sharedKey: Promise<string> | undefined
/** One signing key for all tests of a file: making one takes a while. */
export function signingKey(): Promise<string> {
  sharedKey ??= generateSigningKey()
  return sharedKey
}

/** Sinks and a recorder that note every call as a line. */
export function noting(): {
  readonly lines: string[]
  /** How many changes these are. */
  changes(): number
  readonly sinks: ProxySinks
  readonly recorder: ProxyStatusRecorder
} {
  const lines: string[] = []
  let changes = 0
  let isTogether = false
  const note = (line: string): void => {
    lines.push(line)
    if (!isTogether) changes += 1
  }
  return {
    lines,
    changes: () => changes,
    sinks: {
      proxies: { set: (key) => note(`proxy ${key}`), delete: (key) => note(`no proxy ${key}`) },
      endpointStates: { set: (key, state) => note(`state ${key} ${JSON.stringify(state)}`), delete: (key) => note(`state ${key} none`) },
      tlsAccepting: { set: (key, kri) => note(`tls ${key} ${kri}`), delete: () => {} },
      together: (tell) => {
        const before = lines.length
        isTogether = true
        tell()
        isTogether = false
        if (lines.length > before) changes += 1
      },
    },
    recorder: {
      connected: ({ name }) => note(`connected ${name}`),
      disconnected: ({ name }) => note(`disconnected ${name}`),
      responseCounted: ({ name }, _, { type, outcome }) => note(`${outcome} ${type} ${name}`),
      identityIssued: () => {},
    },
  }
}

/** A store that holds one mesh and its signing key. */
export async function meshStore(clock: Clock): Promise<Store> {
  const store = createMemoryStore({ clock, log: silentLogger })
  await put(store, { type: 'Mesh', mesh: '', name: mesh, labels: {}, spec: {} })
  await put(store, { ...signingKeyRef('dataplane', { mesh, serial: 1 }), labels: {}, spec: secretSpec(await signingKey()) })
  return store
}

/** Writes a resource as a person would. */
export async function put(
  store: Store,
  resource: { type: string; mesh: string; name: string; labels: Labels; spec: unknown; status?: unknown },
): Promise<void> {
  await store.transact([{ op: 'put', resource }], { actor: 'user:test', reason: 'test', class: 'desired' })
}

/** JSON text of a Dataplane as a launcher sends it. */
export function dataplaneText(name: string, change: { readonly labels?: Labels; readonly networking?: object } = {}): string {
  const networking = {
    address: '127.0.0.1',
    inbound: [{ port: 10080, servicePort: 18080, name: 'http', protocol: 'http' }],
    ...change.networking,
  }
  return JSON.stringify({ type: 'Dataplane', mesh, name, labels: change.labels ?? { 'kuma.io/workload': 'web' }, networking })
}

export interface ServerFixture {
  readonly server: DataplaneServer
  readonly store: Store
  readonly clock: FakeClock
  readonly lines: string[]
  readonly certificatePem: string
  token(claims?: { readonly name?: string; readonly workload?: string; readonly mesh?: string }): Promise<string>
  client(): Client
  dataplane(name: string): Resource | undefined
  stop(): Promise<void>
}

/** Short waits, such as those that gather changes, pass by themselves; long ones, such as grace periods, only when the test says so. */
class TestClock extends FakeClock {
  override after(ms: number, fn: () => void): Timer {
    return ms <= 200 ? systemClock.after(ms, fn) : super.after(ms, fn)
  }
}

/** `listening`: it only takes connections, until the test starts it. */
export async function startServer(
  change: { settings?: Partial<DataplaneServerSettings>; options?: Partial<DataplaneServerOptions>; listening?: boolean } = {},
): Promise<ServerFixture> {
  const clock = new TestClock(Date.now())
  const store = await meshStore(clock)
  const certificate = await createServerCertificate({ hosts: ['localhost', '127.0.0.1'], commonName: 'test', now: Date.now() })
  const keys = createKeyRing({ secrets: store })
  const issuer = createTokenIssuer({ keys, clock })
  const { lines, sinks, recorder } = noting()
  const server = createDataplaneServer({
    settings: { ...defaultDataplaneServerSettings, host: '127.0.0.1', port: 0, ...change.settings },
    store,
    tls: { current: certificate, onChange: () => () => {} },
    tokens: createTokenVerifier({ keys, clock }),
    adminAuthority: await loadAdminAuthority({ store, clock }),
    snapshots: {
      onSnapshot: (_, listener) => {
        listener(emptySnapshot)
        return () => {}
      },
    },
    recorder,
    sinks,
    clock,
    log: silentLogger,
    metrics: createMetrics(),
    ...change.options,
  })
  await (change.listening ? server.listener : server).start()
  const clients: Client[] = []
  return {
    server,
    store,
    clock,
    lines,
    certificatePem: certificate.certificatePem,
    token: ({ name = '', workload = 'web', mesh: of = mesh } = {}) => issuer.dataplane({ mesh: of, name, workload }),
    client: () => {
      const credentials = ChannelCredentials.createSsl(Buffer.from(certificate.certificatePem))
      const client = new Client(`localhost:${server.port}`, credentials, { 'grpc.use_local_subchannel_pool': 1 })
      clients.push(client)
      return client
    },
    dataplane: (name) => store.get({ type: 'Dataplane', mesh, name }),
    stop: async () => {
      for (const client of clients) client.close()
      const stopping = server.stop()
      clock.advance(60_000)
      await stopping
      await store.close()
    },
  }
}

type Node = Messages['envoy.config.core.v3.Node']

/** The node a proxy sends, with the metadata that matters to tests. */
export function nodeOf(name: string, metadata: Readonly<Record<string, unknown>> = {}): Node {
  const json = {
    id: `${mesh}.${name}`,
    metadata: {
      'dataplane.proxyType': 'dataplane',
      'dataplane.admin.port': '9901',
      'dataplane.resource': dataplaneText(name),
      ...metadata,
    },
  }
  return codec('envoy.config.core.v3.Node').fromJson(json)
}

/** One stream as a test sees it. */
export interface TestStream {
  readonly call: ClientDuplexStream<Uint8Array, Uint8Array>
  send(bytes: Uint8Array): void
  /** The next message from the server; rejects with the status when the stream ends instead. */
  next(): Promise<Uint8Array>
  /** The status the stream ended with. */
  readonly ended: Promise<StatusObject>
}

/** Opens a stream of the method with the token as its credential. */
export function openStream(client: Client, method: 'ads' | 'sotw' | 'hds', token?: string): TestStream {
  const path = {
    ads: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    hds: '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck',
  }[method]
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', token)
  const call = client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
    path,
    (message) => Buffer.from(message),
    (bytes) => bytes,
    metadata,
  )
  const received: Uint8Array[] = []
  const waiting: ((bytes: Uint8Array) => void)[] = []
  call.on('data', (bytes: Uint8Array) => {
    const waiter = waiting.shift()
    if (waiter) waiter(bytes)
    else received.push(bytes)
  })
  call.on('error', () => {})
  const ended = new Promise<StatusObject>((resolve) => call.once('status', resolve))
  return {
    call,
    send: (bytes) => void call.write(bytes),
    next: () => {
      const first = received.shift()
      if (first) return Promise.resolve(first)
      const message = new Promise<Uint8Array>((resolve) => waiting.push(resolve))
      return Promise.race([message, ended.then((status) => Promise.reject(new Error(`${status.code}: ${status.details}`)))])
    },
    ended,
  }
}

const requests = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest')
export const responses = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse')

/** The first request of a discovery stream: asks for all clusters. */
export function firstRequest(node: Node): Uint8Array {
  return requests.encode({ node, typeUrl: typeUrls.cluster })
}

export const ackOf = (bytes: Uint8Array): Uint8Array => {
  const { typeUrl = '', nonce = '' } = responses.decode(bytes)
  return requests.encode({ typeUrl, responseNonce: nonce })
}

/** Patience with a busy machine. */
const patienceMs = 120_000

/** Resolves once `isTrue`, looking again after every turn of the event loop; fails when it is never so. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const start = systemClock.monotonic()
  while (!isTrue()) {
    if (systemClock.monotonic() - start > patienceMs) throw new Error(`never happened: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A discovery stream of a proxy that has had its first answer. */
export async function served(fixture: ServerFixture, name: string, token?: string): Promise<ReturnType<typeof openStream>> {
  const stream = openStream(fixture.client(), 'ads', token ?? (await fixture.token()))
  stream.send(firstRequest(nodeOf(name)))
  await stream.next()
  return stream
}
