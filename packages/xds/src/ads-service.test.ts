import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, describe, it } from 'node:test'
import { Client, type ClientDuplexStream, credentials, Metadata, Server, ServerCredentials, type StatusObject, status } from '@grpc/grpc-js'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics, type Metrics } from '@weft/foundation/metrics'
import { FakeClock, systemClock } from '@weft/foundation/time'
import { codec, type Messages, serviceDefinition } from '@weft/proto'
import { type AdsService, type AdsServiceOptions, adsServerOptions, createAdsService } from './ads-service.ts'
import { createCell } from './cell.ts'
import type { ProxySnapshot } from './contract.ts'
import type { DeltaStream } from './delta-stream.ts'
import { encodeResource } from './encode-resource.ts'
import type { CloseReason } from './stream-events.ts'
import { typeUrls } from './type-urls.ts'

type Request = Messages['envoy.service.discovery.v3.DeltaDiscoveryRequest']
type Response = Messages['envoy.service.discovery.v3.DeltaDiscoveryResponse']

const methods = serviceDefinition('envoy.service.discovery.v3.AggregatedDiscoveryService')
const cells = new Map([['a', createCell('cluster', 'a', encodeResource('cluster', 'a', new Uint8Array([1]), {}))]])
const snapshot: ProxySnapshot = { cluster: cells, endpoint: new Map(), listener: new Map(), secret: new Map() }

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

interface Lab {
  readonly ads: AdsService
  readonly metrics: Metrics
  readonly opened: { readonly stream: DeltaStream; readonly nodeId: string }[]
  readonly closed: CloseReason[]
  open(method?: 'DeltaAggregatedResources' | 'StreamAggregatedResources', metadata?: Metadata): Peer
}

async function startLab(options: Partial<AdsServiceOptions<string>> = {}): Promise<Lab> {
  const metrics = createMetrics()
  const opened: Lab['opened'] = []
  const closed: CloseReason[] = []
  const ads = createAdsService<string>({
    authenticate: async ({ node }) => node.id ?? '',
    onStream: (stream, nodeId) => {
      opened.push({ stream, nodeId })
      stream.assign(snapshot)
      return { onClosed: (reason) => closed.push(reason) }
    },
    controlPlane: 'cp-1',
    clock: systemClock,
    log: silentLogger,
    metrics,
    ...options,
  })
  const server = new Server(adsServerOptions)
  server.addService(ads.definition, ads.handlers)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)))
  })
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  cleanups.push(
    () => server.forceShutdown(),
    () => client.close(),
  )
  return {
    ads,
    metrics,
    opened,
    closed,
    open: (method = 'DeltaAggregatedResources', metadata = new Metadata()) =>
      new Peer(
        client.makeBidiStreamRequest(methods[method].path, methods[method].requestSerialize, methods[method].responseDeserialize, metadata),
      ),
  }
}

/** The client side of one stream. */
class Peer {
  readonly call: ClientDuplexStream<Uint8Array, Buffer>
  readonly responses: Response[] = []
  readonly status: Promise<StatusObject>

  constructor(call: ClientDuplexStream<Uint8Array, Buffer>) {
    this.call = call
    this.status = new Promise((resolve) => call.on('status', resolve))
    call.on('data', (bytes: Buffer) => this.responses.push(codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').decode(bytes)))
    call.on('error', () => {})
  }

  send(request: Request): void {
    this.call.write(codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').encode(request))
  }

  async response(): Promise<Response> {
    while (this.responses.length === 0) await once(this.call, 'data')
    const next = this.responses.shift()
    assert.ok(next)
    return next
  }
}

const hello: Request = { node: { id: 'default.web' }, typeUrl: typeUrls.cluster }

describe('discovery service', () => {
  it('serves an authenticated proxy', async () => {
    const lab = await startLab()
    const peer = lab.open()
    peer.send(hello)
    peer.send({ typeUrl: typeUrls.listener })
    const clusters = await peer.response()
    assert.deepEqual(
      [clusters.typeUrl, clusters.nonce, clusters.controlPlane?.identifier, clusters.resources?.map((r) => r.name)],
      [typeUrls.cluster, '1', 'cp-1', ['a']],
    )
    assert.equal(clusters.resources?.[0]?.version, cells.get('a')?.current?.version)
    assert.notEqual(clusters.systemVersionInfo, '')
    assert.equal((await peer.response()).typeUrl, typeUrls.listener)
    peer.send({ typeUrl: typeUrls.cluster, responseNonce: clusters.nonce ?? '' })
    peer.call.end()
    assert.equal((await peer.status).code, status.OK)
    assert.deepEqual(lab.closed, ['ended'])
    assert.equal(lab.opened[0]?.stream.ackedVersion('cluster', 'a'), cells.get('a')?.current?.version)
    assert.equal(lab.ads.streams.size, 0)
    assert.match((await lab.metrics.expose()).text, /xds_answers_total{type="cluster",result="ack"} 1/)
  })

  it('hands over what came while the first request was being authenticated', async () => {
    let letIn = (): void => {}
    const lab = await startLab({ authenticate: () => new Promise((resolve) => (letIn = () => resolve('x'))) })
    const peer = lab.open()
    peer.send(hello)
    peer.send({ typeUrl: typeUrls.listener })
    await new Promise(setImmediate)
    while (lab.opened.length === 0) {
      letIn()
      await new Promise(setImmediate)
    }
    assert.equal((await peer.response()).typeUrl, typeUrls.cluster)
    assert.equal((await peer.response()).typeUrl, typeUrls.listener)
    peer.call.cancel()
  })

  it('shows a proxy why it is not let in', async () => {
    for (const [error, code] of [
      [new AppError('token/invalid', 'the token is for another mesh'), status.UNKNOWN],
      [new AppError('token/keys-missing', 'the signing keys are not here yet'), status.UNAVAILABLE],
      [new AppError('xds/unauthenticated', 'try again', { retryable: true }), status.UNAVAILABLE],
    ] as const) {
      const lab = await startLab({ authenticate: () => Promise.reject(error) })
      const peer = lab.open()
      peer.send(hello)
      const result = await peer.status
      assert.deepEqual([result.code, result.details], [code, error.message])
    }
  })

  it('keeps its own faults to itself', async () => {
    const lab = await startLab({ authenticate: () => Promise.reject(new Error('password=hunter2')) })
    const peer = lab.open()
    peer.send(hello)
    const result = await peer.status
    assert.equal(result.code, status.UNKNOWN)
    assert.doesNotMatch(result.details, /hunter2/)
  })

  it('ends only the stream that sends garbage', async () => {
    const lab = await startLab()
    const good = lab.open()
    good.send(hello)
    await good.response()
    const garbage: readonly (readonly [string, (peer: Peer) => void, status])[] = [
      ['no protobuf', (peer) => peer.call.write(Buffer.from('ffffffffffffffff', 'hex')), status.INVALID_ARGUMENT],
      ['empty', (peer) => peer.call.write(Buffer.alloc(0)), status.INVALID_ARGUMENT],
      ['no node', (peer) => peer.send({ typeUrl: typeUrls.cluster }), status.INVALID_ARGUMENT],
      ['no type', (peer) => peer.send({ node: { id: 'x' } }), status.INVALID_ARGUMENT],
      [
        'another node',
        (peer) => {
          peer.send(hello)
          peer.send({ node: { id: 'default.other' }, typeUrl: typeUrls.listener })
        },
        status.INVALID_ARGUMENT,
      ],
      ['too large', (peer) => peer.send({ ...hello, resourceNamesSubscribe: ['x'.repeat(5 << 20)] }), status.RESOURCE_EXHAUSTED],
    ]
    for (const [name, misbehave, code] of garbage) {
      const peer = lab.open()
      misbehave(peer)
      assert.equal((await peer.status).code, code, name)
    }
    good.send({ typeUrl: typeUrls.listener })
    assert.equal((await good.response()).typeUrl, typeUrls.listener)
    good.call.cancel()
  })

  it('does not serve the state-of-the-world variant', async () => {
    const lab = await startLab()
    const peer = lab.open('StreamAggregatedResources')
    assert.equal((await peer.status).code, status.UNIMPLEMENTED)
  })

  it('gives up on callers that never say who they are', async () => {
    const clock = new FakeClock()
    const lab = await startLab({ clock })
    const peer = lab.open()
    peer.call.on('data', () => {})
    while (clock.pending === 0) await new Promise(setImmediate)
    clock.advance(30_000)
    assert.equal((await peer.status).code, status.DEADLINE_EXCEEDED)
  })

  it('ends all streams when it stops, and takes no new ones', async () => {
    const lab = await startLab()
    const peer = lab.open()
    peer.send(hello)
    await peer.response()
    lab.ads.stop()
    assert.equal((await peer.status).code, status.UNAVAILABLE)
    assert.deepEqual(lab.closed, ['stopped'])
    const late = lab.open()
    late.send(hello)
    assert.equal((await late.status).code, status.UNAVAILABLE)
  })

  it('tells who watches that a stream broke', async () => {
    const lab = await startLab()
    const peer = lab.open()
    peer.send(hello)
    await peer.response()
    peer.call.cancel()
    await peer.status
    while (lab.closed.length === 0) await new Promise(setImmediate)
    assert.deepEqual(lab.closed, ['cancelled'])
    assert.equal(lab.ads.streams.size, 0)
  })
})
