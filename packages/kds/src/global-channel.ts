// The one HTTP/2 connection of a zone to its global, as byte streams. Knows addresses, TLS and headers; nothing about what is said.
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type ChannelCredentials,
  Metadata,
  type ServiceError,
  status,
  type StatusObject,
} from '@grpc/grpc-js'
import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import { AppError } from '@weft/foundation/errors'
import type { Clock } from '@weft/foundation/time'
import type { ByteMethod } from '@weft/proto'
import { headerFeatures, headerKeys } from './features.ts'
import { epochOf } from './server-stream.ts'
import type { CutOff, ReaderLimits } from './reader-watch.ts'
import { type WatchedStream, watchStream } from './watched-stream.ts'
import { maxMessageBytes } from './wire.ts'

/** Where a global is. */
export interface GlobalAddress {
  /** `host:port` as it is dialled. */
  readonly target: string
  readonly tls: boolean
}

/** Reads `grpc://host:port` or `grpcs://host:port`; the port is mandatory. Throws config/invalid. */
export function parseGlobalAddress(address: string): GlobalAddress {
  let url: URL
  try {
    url = new URL(address)
  } catch {
    throw invalidAddress(address, 'is not a URL')
  }
  if (url.protocol !== 'grpc:' && url.protocol !== 'grpcs:') throw invalidAddress(address, 'must start with grpc:// or grpcs://')
  if (url.port === '' || url.hostname === '')
    throw invalidAddress(address, 'must name host and port, such as grpcs://global.example.com:5685')
  return { target: url.host, tls: url.protocol === 'grpcs:' }
}

function invalidAddress(address: string, problem: string): AppError {
  // credentials have no meaning here, but someone may have put them in
  const shown = address.replace(/\/\/[^@/]*@/, '//[redacted]@')
  return new AppError('config/invalid', `the address of the global control plane ${JSON.stringify(shown)} ${problem}`)
}

/** How the connection is encrypted; PEM texts. */
export interface ChannelTls {
  readonly skipVerify: boolean
  /** What global's certificate is verified by; the system's roots when absent. */
  readonly rootCertificates?: string | Buffer | undefined
  /** Shown to global when it asks. */
  readonly client?: { readonly certificate: string | Buffer; readonly key: string | Buffer } | undefined
}

/** How to dial, and who dials. */
export interface ChannelOptions {
  readonly clock: Clock
  readonly address: GlobalAddress
  readonly tls: ChannelTls
  readonly zone: string
  readonly version: string
  readonly storeId: string
  readonly instanceId: string
  readonly epoch: number
  readonly token: string | undefined
  /** A stock global refuses pings more often than every 15 s. */
  readonly keepaliveMs: number
  readonly readers: ReaderLimits
  /** Global is cut off on this stream; called before its end is told. */
  cutOff(path: string, cutOff: CutOff): void
}

/** A byte stream of grpc-js. */
export type StreamCall = ClientDuplexStream<Uint8Array, Buffer>

/** What happens on a stream. `ended` is called exactly once, with the status. */
export interface StreamEvents {
  greeted(metadata: Metadata): void
  data(bytes: Buffer): void
  drained(): void
  ended(outcome: { readonly code: status; readonly details: string }): void
}

/** Our side of a stream. */
export interface OpenedStream extends WatchedStream {
  /** Cancels the call: a half-closed one lingers on a stock global. `ended` is not called any more. */
  cancel(): void
}

/** One connection. Reconnects by itself until it is closed. */
export interface GlobalChannel {
  /** The epoch that took over from ours, once global told. */
  readonly newerEpoch: number | undefined
  open(method: ByteMethod, events: StreamEvents): OpenedStream
  /** Rejects with something that has a status `code`. */
  unary(method: ByteMethod, message: Uint8Array, limitMs: number): Promise<Buffer>
  /** Resolves when the connection stands; rejects when it does not within the limit. */
  ready(limitMs: number): Promise<void>
  close(): void
}

/** Makes a channel; it connects with the first call. */
export function openGlobalChannel(options: ChannelOptions): GlobalChannel {
  const client = new Client(options.address.target, channelCredentials(options), {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.keepalive_time_ms': options.keepaliveMs,
    'grpc.keepalive_timeout_ms': Math.min(10_000, options.keepaliveMs),
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 1_000,
    'grpc.enable_retries': 0,
    // two zones of one process (tests, demo) must not share a connection
    'grpc.use_local_subchannel_pool': 1,
    'grpc.primary_user_agent': `kds/${options.version}`,
    // an IP address must not be a server name; the certificate is still checked against the address
    ...(options.address.tls && isIP(hostOf(options.address)) ? { 'grpc.ssl_target_name_override': unnamedServer } : {}),
  })
  const metadata = callMetadata(options)
  let newerEpoch: number | undefined
  return {
    get newerEpoch() {
      return newerEpoch
    },
    open: (method, events) => {
      const call: StreamCall = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, metadata)
      call.on('error', ({ metadata: trailers }: ServiceError) => {
        newerEpoch = epochOf(trailers?.get(headerKeys.epoch).map(String)[0]) ?? newerEpoch
      })
      return attach(call, { events, options, path: method.path })
    },
    unary: (method, message, limitMs) =>
      new Promise((resolve, reject) => {
        const serialize = method.requestSerialize
        const call = client.makeUnaryRequest<Uint8Array, Buffer>(
          method.path,
          serialize,
          method.responseDeserialize,
          message,
          metadata,
          (error, answer) => {
            timer.cancel()
            if (error) reject(error)
            else resolve(answer ?? Buffer.alloc(0))
          },
        )
        const timer = options.clock.after(limitMs, () => {
          reject({ code: status.DEADLINE_EXCEEDED, details: 'no answer in time' } satisfies Pick<StatusObject, 'code' | 'details'>)
          call.cancel()
        })
      }),
    ready: (limitMs) =>
      new Promise((resolve, reject) => {
        const timer = options.clock.after(limitMs, () => reject(new Error(`no connection within ${limitMs / 1000} s`)))
        client.waitForReady(Number.POSITIVE_INFINITY, (error) => {
          timer.cancel()
          if (error) reject(error)
          else resolve()
        })
      }),
    close: () => client.close(),
  }
}

interface Attachment {
  readonly events: StreamEvents
  readonly options: ChannelOptions
  readonly path: string
}

function attach(call: StreamCall, { events, options, path }: Attachment): OpenedStream {
  let ended = false
  const finish = (): void => {
    ended = true
    watched.reader.close()
  }
  const end = (outcome: { readonly code: status; readonly details: string }): void => {
    if (ended) return
    finish()
    events.ended(outcome)
  }
  const watched = watchStream(call, {
    clock: options.clock,
    limits: options.readers,
    isOver: () => ended,
    drained: () => events.drained(),
    cut: (cutOff) => {
      options.cutOff(path, cutOff)
      // a reset also frees what waits in the transport
      call.cancel()
      end({ code: status.DEADLINE_EXCEEDED, details: cutOff.error.message })
    },
  })
  call.on('metadata', (metadata: Metadata) => {
    if (!ended) events.greeted(metadata)
  })
  call.on('data', (bytes: Buffer) => {
    if (!ended) events.data(bytes)
  })
  call.on('error', (error: ServiceError) => end({ code: error.code ?? status.UNKNOWN, details: error.details || error.message }))
  call.on('status', ({ code, details }: StatusObject) => end({ code, details }))
  return {
    ...watched,
    cancel: () => {
      finish()
      call.cancel()
    },
  }
}

const unnamedServer = 'global.invalid'

/** Host of the target without brackets. */
function hostOf({ target }: GlobalAddress): string {
  return target.slice(0, target.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
}

function channelCredentials({ address, tls }: ChannelOptions): ChannelCredentials {
  if (!address.tls) return credentials.createInsecure()
  const roots = tls.rootCertificates === undefined ? null : Buffer.from(tls.rootCertificates)
  const host = hostOf(address)
  return credentials.createSsl(
    roots,
    tls.client ? Buffer.from(tls.client.key) : null,
    tls.client ? Buffer.from(tls.client.certificate) : null,
    tls.skipVerify
      ? { rejectUnauthorized: false, checkServerIdentity: () => undefined }
      : { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) },
  )
}

type CallerFacts = Pick<ChannelOptions, 'zone' | 'version' | 'storeId' | 'instanceId' | 'epoch' | 'token'>

/** The headers of every call (contract/kds.md section 3.1). */
export function callMetadata({ zone, version, storeId, instanceId, epoch, token }: CallerFacts): Metadata {
  const metadata = new Metadata()
  metadata.set(headerKeys.clientId, zone)
  metadata.set(headerKeys.version, version)
  metadata.set(headerKeys.kdsVersion, 'v3')
  metadata.set(headerKeys.zoneVersion, 'v3')
  // one field each: a stock global takes a joined one for an unknown feature
  for (const feature of Object.values(headerFeatures)) metadata.add(headerKeys.features, feature)
  metadata.set(headerKeys.storeId, storeId)
  metadata.set(headerKeys.instanceId, instanceId)
  metadata.set(headerKeys.epoch, String(epoch))
  if (token) metadata.set(headerKeys.authorization, `Bearer ${token}`)
  return metadata
}
