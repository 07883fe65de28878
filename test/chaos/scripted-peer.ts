// A peer of global that follows a script: exact headers, frames and bytes on one TLS connection, no code of the product's own client.
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { codec, type Messages } from '../../packages/proto/src/index.ts'
import { encodeRequest, encodeResponse, methods } from '../../packages/kds/src/testing/raw-zone.ts'

type Response = Messages['envoy.service.discovery.v3.DeltaDiscoveryResponse']
type Request = Messages['envoy.service.discovery.v3.DeltaDiscoveryRequest']

const responses = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse')
const structs = codec('google.protobuf.Struct')

/** All RPCs that zones call. */
export const everyMethod: readonly string[] = [
  methods.globalToZone,
  methods.zoneToGlobal,
  methods.configDump,
  '/kuma.mesh.v1alpha1.GlobalKDSService/StreamStats',
  '/kuma.mesh.v1alpha1.GlobalKDSService/StreamClusters',
  '/kuma.mesh.v1alpha1.GlobalKDSService/HealthCheck',
]

export interface PeerCall {
  /** Status code of the call once it is over; -1 when the connection broke. */
  readonly ended: Promise<number>
  /** Whole gRPC messages. */
  onMessage(listener: (message: Buffer) => void): void
  send(message: Uint8Array): void
  /** Bytes as they are, gRPC framing included. */
  sendRaw(bytes: Uint8Array): void
  /** Half-closes: nothing more is sent. */
  finish(): void
  /** Stops reading for good. */
  stall(): void
  cancel(): void
}

export interface ScriptedPeer extends AsyncDisposable {
  readonly zone: string
  call(method: string, headers?: Readonly<Record<string, string | readonly string[]>>): PeerCall
  /** Node of the first request, as a stock zone sends it. */
  node(): NonNullable<Request['node']>
  readonly session: ClientHttp2Session
}

export interface ScriptedPeerOptions {
  readonly port: number
  readonly zone: string
  /** Value of `control-plane-id`. */
  readonly id?: string
  /** Extra headers of every call. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

/** Opens the connection; calls may be made at once. */
export function scriptedPeer({ port, zone, id = `${zone}-0000`, headers = {} }: ScriptedPeerOptions): ScriptedPeer {
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  return {
    zone,
    session,
    node: () => ({
      id: zone,
      metadata: structs.fromJson({
        version: { kumaCp: { version: '3.0.0', gitTag: 'v3.0.0', gitCommit: 'x', buildDate: 'y' } },
        config: '{"store":{"type":"memory"}}',
        'control-plane-id': id,
        features: ['zone-token', 'hash-suffix', 'hg-mz-selector', 'producer-policy-flow'],
      }),
    }),
    call: (method, more = {}) =>
      peerCall(
        session.request({
          ':method': 'POST',
          ':path': method,
          'content-type': 'application/grpc',
          te: 'trailers',
          'client-id': zone,
          features: ['zone-ping-health', 'hash-suffix'],
          version: '3.0.0',
          'kds-version': 'v3',
          'zone-version': 'v3',
          // http2 wants arrays it may change
          ...Object.fromEntries(
            Object.entries({ ...headers, ...more }).map(([key, value]) => [key, typeof value === 'string' ? value : [...value]]),
          ),
        }),
      ),
    [Symbol.asyncDispose]: async () => {
      session.destroy()
    },
  }
}

function peerCall(stream: ClientHttp2Stream): PeerCall {
  let buffered = Buffer.alloc(0)
  let listener: ((message: Buffer) => void) | undefined
  let code = -1
  stream.on('error', () => {})
  const ended = new Promise<number>((done) => stream.on('close', () => done(code)))
  const note = (fields: Readonly<Record<string, unknown>>): void => {
    if (fields['grpc-status'] !== undefined) code = Number(fields['grpc-status'])
  }
  stream.on('response', note)
  stream.on('trailers', note)
  // a server ends its side only; without an end of this side the stream stays
  stream.on('end', () => stream.end())
  stream.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk])
    while (buffered.length >= 5 && buffered.length >= 5 + buffered.readUInt32BE(1)) {
      const message = buffered.subarray(5, 5 + buffered.readUInt32BE(1))
      buffered = buffered.subarray(5 + message.length)
      listener?.(message)
    }
  })
  const sendRaw = (bytes: Uint8Array): void => {
    if (stream.writable) stream.write(bytes)
  }
  return {
    ended,
    onMessage: (next) => void (listener = next),
    send: (message) => sendRaw(framed(message)),
    sendRaw,
    finish: () => void stream.end(),
    stall: () => void stream.pause(),
    cancel: () => stream.close(constants.NGHTTP2_CANCEL),
  }
}

/** A gRPC message as it is on the wire; `flag` 1 says that it is compressed. */
export function framed(
  message: Uint8Array,
  { flag = 0, length = message.length }: { readonly flag?: number; readonly length?: number } = {},
): Buffer {
  const frame = Buffer.alloc(5 + message.length)
  frame.writeUInt8(flag, 0)
  frame.writeUInt32BE(length >>> 0, 1)
  frame.set(message, 5)
  return frame
}

export interface Subscription {
  readonly call: PeerCall
  /** Responses so far, by type. */
  readonly counts: ReadonlyMap<string, number>
}

/** Subscribes to types and answers every response: `ack`, `nack`, or not at all. */
export function subscribe(
  peer: ScriptedPeer,
  types: readonly string[],
  { answer, onResponse }: { readonly answer: 'ack' | 'nack' | 'nothing'; readonly onResponse?: (response: Response) => void },
): Subscription {
  const call = peer.call(methods.globalToZone)
  const counts = new Map<string, number>()
  call.onMessage((message) => {
    const response = responses.decode(message)
    const typeUrl = response.typeUrl ?? ''
    counts.set(typeUrl, (counts.get(typeUrl) ?? 0) + 1)
    onResponse?.(response)
    const echo = { node: { id: peer.zone }, typeUrl, responseNonce: response.nonce ?? '' }
    if (answer === 'ack') call.send(encodeRequest(echo))
    if (answer === 'nack')
      call.send(encodeRequest({ ...echo, resourceNamesSubscribe: ['*'], errorDetail: { code: 3, message: 'not this one, thank you' } }))
  })
  for (const typeUrl of types) call.send(encodeRequest({ node: peer.node(), typeUrl, resourceNamesSubscribe: ['*'] }))
  return { call, counts }
}

/** A zone's side of sync to global: answers every subscription of global with what `resources` has of the type. */
export function provide(peer: ScriptedPeer, resources: (type: string) => NonNullable<Response['resources']>): Provider {
  const call = peer.call(methods.zoneToGlobal)
  const failures: string[] = []
  const types = new Set<string>()
  const asked: AskedAgain[] = []
  let nonce = 0
  const waiting = new Map<string, () => void>()
  const respondRaw = (compose: (nonce: string) => Uint8Array): Promise<void> => {
    const id = `n${++nonce}`
    call.send(compose(id))
    // a call that ends is an answer too
    return Promise.race([new Promise<void>((done) => waiting.set(id, done)), call.ended.then(() => {})])
  }
  const respond = (typeUrl: string, more: Partial<Response>): Promise<void> =>
    respondRaw((id) => encodeResponse({ typeUrl, nonce: id, controlPlane: { identifier: peer.zone }, ...more }))
  call.onMessage((message) => {
    const request = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').decode(message)
    const typeUrl = request.typeUrl ?? ''
    if (request.errorDetail) failures.push(request.errorDetail.message ?? '')
    if (request.responseNonce) {
      waiting.get(request.responseNonce)?.()
      waiting.delete(request.responseNonce)
      return
    }
    if (types.has(typeUrl)) return void asked.push({ type: typeUrl, versions: { ...request.initialResourceVersions } })
    types.add(typeUrl)
    void respond(typeUrl, { resources: [...resources(typeUrl)] })
  })
  return { call, failures, types, asked, respond, respondRaw }
}

/** That global asks once more for a type it has, and what it says it has. */
export interface AskedAgain {
  readonly type: string
  /** Wire name to version. */
  readonly versions: Readonly<Record<string, string>>
}

export interface Provider {
  readonly call: PeerCall
  /** Texts of NACKs. */
  readonly failures: readonly string[]
  /** Types that global subscribed to. */
  readonly types: ReadonlySet<string>
  readonly asked: readonly AskedAgain[]
  /** One more response; resolves with its answer. */
  respond(type: string, response: Partial<Response>): Promise<void>
  /** The same for a response that the caller encodes. */
  respondRaw(compose: (nonce: string) => Uint8Array): Promise<void>
}
