// A server-side stream of one zone: opened once it is admitted, ended once. Whatever its peer sends, only this stream ends.
import { Metadata, type ServerDuplexStream, type ServerUnaryCall, status } from '@grpc/grpc-js'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import type { Admitted, AdmitRequest, ZoneCredential } from './contract.ts'
import { headerKeys } from './features.ts'
import type { CutOff, ReaderLimits } from './reader-watch.ts'
import { clusterIdOf } from './global-pin.ts'
import { type WatchedStream, watchStream } from './watched-stream.ts'
import type { ZoneConnection } from './zone-port.ts'

/** A byte stream of grpc-js. */
export type ByteCall = ServerDuplexStream<Buffer, Uint8Array>

/** What the headers of a call say. */
export interface CallFacts {
  readonly zone: string
  readonly peerAddress: string
  readonly features: ReadonlySet<string>
  readonly zoneVersion: string | undefined
  readonly storeId: string | undefined
  /** Of an own peer: its right to act for the zone; a higher one of the same store wins. */
  readonly epoch: number | undefined
  /** Of an own peer; a stock one tells its with the first message. */
  readonly instanceId: string
  readonly authTokenProvided: boolean
}

/** Why we ended a stream. */
export interface StreamOutcome {
  readonly code: status
  readonly details: string
}

/** What a stream does with what arrives. Throwing ends the stream. */
export interface StreamHandler {
  data(bytes: Buffer): void
  /** There is room for more after a write that returned false. */
  drained?(): void
  /** Called exactly once, whoever ended the stream; with what we ended it, if we did and not in order. */
  closed(outcome?: StreamOutcome): void
}

/** Our side of a stream. The handler is told of room. */
export interface ServerStream extends CallFacts, WatchedStream {
  readonly credential: ZoneCredential
  readonly log: Logger
  /** Does something with what arrived earlier; a throw ends the stream as it would have then. */
  run(work: () => void): void
  /** Ends the stream with a status; `epoch` tells a peer that lost its right the newer one. Later calls do nothing. */
  end(code: status, details: string, epoch?: number): void
}

/** The zone's name: any DNS name up to 63 characters, as 2.14 zones may have. */
const zoneName = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/

/** Reads the headers. Throws kds/unauthenticated when they name no usable zone. */
export function callFacts(call: Pick<ServerUnaryCall<Buffer, Uint8Array>, 'metadata' | 'getPeer'>): CallFacts {
  const zone = headers(call, headerKeys.clientId)[0] ?? ''
  if (!zoneName.test(zone)) {
    const details =
      zone === ''
        ? `the metadata ${headerKeys.clientId} with the name of the zone is missing`
        : 'the name of the zone is not a DNS name of at most 63 characters'
    throw new AppError('kds/unauthenticated', details)
  }
  return {
    zone,
    peerAddress: call.getPeer(),
    // Node joins repeated headers, so one value may hold several features
    features: new Set(headers(call, headerKeys.features).flatMap((value) => value.split(',').map((feature) => feature.trim()))),
    zoneVersion: headers(call, headerKeys.zoneVersion)[0],
    storeId: headers(call, headerKeys.storeId)[0] || undefined,
    epoch: epochOf(headers(call, headerKeys.epoch)[0]),
    instanceId: headers(call, headerKeys.instanceId)[0]?.slice(0, 200) ?? '',
    authTokenProvided: headers(call, headerKeys.authorization).length === 1,
  }
}

/** What admission is asked. */
export function admitRequest(
  call: Pick<ServerUnaryCall<Buffer, Uint8Array>, 'metadata'>,
  { zone, peerAddress }: CallFacts,
  { peerHost, encrypted, certificate }: ZoneConnection,
): AdmitRequest {
  return { zone, peerAddress, peerHost, encrypted, certificate, authorization: headers(call, headerKeys.authorization) }
}

/** What a global tells of itself before the first message. */
export interface Greeting {
  readonly storeId: string
  /** Cluster id; '' while it is not made, or when it cannot be a header. */
  readonly clusterId: string
  /** The cluster id outlives a restart. */
  readonly lasts: boolean
}

/** Headers of our answer on every stream: they tell an own zone who we are before the first message. */
export function greeting({ storeId, clusterId, lasts }: Greeting): Metadata {
  const metadata = new Metadata()
  metadata.set(headerKeys.storeId, storeId)
  if (clusterIdOf(clusterId) !== undefined) metadata.set(headerKeys.clusterId, clusterId)
  metadata.set(headerKeys.clusterLasts, String(lasts))
  return metadata
}

/** Reads a greeting; undefined of a stock global. */
export function greetingOf(metadata: Metadata): Greeting | undefined {
  const first = (key: string): string => String(metadata.get(key)[0] ?? '')
  const storeId = first(headerKeys.storeId)
  if (storeId === '') return undefined
  return { storeId, clusterId: clusterIdOf(first(headerKeys.clusterId)) ?? '', lasts: first(headerKeys.clusterLasts) === 'true' }
}

/** What running a stream needs. */
export interface StreamRun {
  readonly facts: CallFacts
  readonly admitted: Admitted
  readonly log: Logger
  readonly clock: Clock
  readonly limits: ReaderLimits
  /** The zone is cut off; the stream has its status. */
  cutOff(cutOff: CutOff): void
  /** Called with the stream; returns its handler. */
  open(stream: ServerStream): StreamHandler
}

/** Runs an admitted stream until one side ends it. */
export function runStream(call: ByteCall, run: StreamRun): void {
  const { facts, admitted, log } = run
  let handler: StreamHandler | undefined
  let ended = false
  const close = (outcome?: StreamOutcome): void => {
    if (ended) return
    ended = true
    watched.reader.close()
    try {
      handler?.closed(outcome)
    } catch (error) {
      log.error({ err: messageOf(error) }, 'kds stream close failed')
    }
  }
  const end = (code: status, details: string, epoch?: number): void => {
    if (ended) return
    close(code === status.OK ? undefined : { code, details })
    // grpc-js turns this into the trailers of the stream
    if (code === status.OK) call.end()
    else call.emit('error', { code, details, ...(epoch === undefined ? {} : { metadata: trailers(epoch) }) })
    // what still arrives is thrown away, so that the transport can finish
    call.resume()
  }
  const guarded = (work: () => void): void => {
    if (ended) return
    try {
      work()
    } catch (error) {
      log.warn({ err: messageOf(error) }, 'kds stream ended by a bad message')
      end(hasCode(error, 'kds/bad-message') ? status.INVALID_ARGUMENT : status.INTERNAL, messageOf(error))
    }
  }
  const watched = watchStream(call, {
    clock: run.clock,
    limits: run.limits,
    isOver: () => ended,
    drained: () => guarded(() => handler?.drained?.()),
    cut: (cutOff) => {
      log.warn({ error: cutOff.error.code, reason: cutOff.error.message }, 'kds zone is cut off: it does not read')
      end(status.UNAVAILABLE, cutOff.error.message)
      run.cutOff(cutOff)
    },
  })
  const stream: ServerStream = { ...facts, ...watched, credential: admitted.credential, log, run: guarded, end }
  call.on('cancelled', () => close())
  call.on('error', () => close())
  call.on('close', () => close())
  call.on('end', () => end(status.OK, ''))
  guarded(() => {
    handler = run.open(stream)
  })
  call.on('data', (bytes: Buffer) => guarded(() => handler?.data(bytes)))
}

function trailers(epoch: number): Metadata {
  const metadata = new Metadata()
  metadata.set(headerKeys.epoch, String(epoch))
  return metadata
}

/** The epoch that metadata tells. */
export function epochOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function headers(call: Pick<ServerUnaryCall<Buffer, Uint8Array>, 'metadata'>, key: string): string[] {
  return call.metadata.get(key).map(String)
}
