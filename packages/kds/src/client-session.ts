// One connection of a zone to its global and everything that runs on it. The two sync streams are supervised on their own, so that trouble
// in one direction leaves the other alone; losing the connection ends the session.
import { status } from '@grpc/grpc-js'
import { messageOf } from '@weft/foundation/errors'
import { timestamp, type Timer } from '@weft/foundation/time'
import { codec, serviceDefinition } from '@weft/proto'
import { createBackoff } from './backoff.ts'
import type { Ended, RunningStream, SessionMemory, StreamContext } from './client-context.ts'
import { openGlobalToZone } from './client-receiving.ts'
import { openAdmin, openZoneToGlobal } from './client-sending.ts'
import { nodeFeatures } from './features.ts'
import type { GlobalIdentity } from './global-pin.ts'
import { member } from './json.ts'
import { answerPings } from './ping.ts'

/** Why a session is over. */
export interface SessionOutcome {
  readonly code: status
  readonly details: string
  /** The stream that told. */
  readonly stream: string
  /** At the other end is another global than the one this zone belongs to. */
  readonly other?: GlobalIdentity
}

/** What a session needs. */
export interface SessionOptions {
  readonly context: StreamContext
  /** The connection before this one broke down. */
  readonly afterLoss: boolean
  /** The session is over; called at most once, never after `close`. */
  lost(outcome: SessionOutcome): void
}

/** A running session. */
export interface ClientSession {
  close(): void
  /** Another global is there: the session is lost. */
  refuse(other: GlobalIdentity): void
}

const healthDeadlineMs = 10_000
const idleHealthMs = 300_000
const staleStreamMs = 35_000
const stableMs = 5_000
const adminRetryMs = 5_000
/** Two processes of one name must not take the stream from each other all the time. */
const supersededRange = { firstMs: 10_000, lastMs: 60_000 }

/**
 * Back-off towards a peer: a stock global must not see a stream return within a second (contract/kds.md section 17.B9). An own one that is
 * back is found within a second, however long it was away.
 */
export function retryRangeOf(peer: SessionMemory['peer']): { readonly firstMs: number; readonly lastMs: number } {
  switch (peer) {
    case 'stock':
      return { firstMs: 1_000, lastMs: 5_000 }
    case 'own':
      return { firstMs: 200, lastMs: 1_000 }
    case 'unknown':
      return { firstMs: 200, lastMs: 2_000 }
  }
}

/** Opens all six calls at once, or that which tells which global it is first. */
export function startSession(options: SessionOptions): ClientSession {
  const { context } = options
  const { client, log, memory, channel, gate } = context
  const isFenced = (code: status): boolean => code === status.FAILED_PRECONDITION && memory.peer !== 'stock'
  const { clock } = client
  const timers = new Set<Timer>()
  const running = new Map<string, RunningStream>()
  let closed = false

  const later = (ms: number, work: () => void): void => {
    const timer = clock.after(ms, () => {
      timers.delete(timer)
      if (!closed) work()
    })
    timers.add(timer)
  }
  const close = (): void => {
    if (closed) return
    closed = true
    for (const timer of timers) timer.cancel()
    for (const stream of running.values()) stream.stop()
    running.clear()
    channel.close()
  }
  const lose = (outcome: SessionOutcome): void => {
    if (closed) return
    close()
    options.lost(outcome)
  }

  /** Keeps a stream open: reopened alone unless the connection is gone. */
  const supervise = (name: string, open: (ended: Ended) => RunningStream): void => {
    const backoff = createBackoff()
    const attempt = (): void => {
      const openedAt = clock.monotonic()
      running.set(
        name,
        open((code, details) => {
          running.delete(name)
          if (closed) return
          context.journal.failed(name, details || status[code])
          if (isConnectionLoss(code) || isFenced(code) || memory.peer === 'unknown') return lose({ code, details, stream: name })
          if (clock.monotonic() - openedAt > stableMs) backoff.reset()
          const isSuperseded = code === status.CANCELLED && details.includes('superseded')
          const waitMs = backoff.next({
            ...(isSuperseded ? supersededRange : retryRangeOf(memory.peer)),
            random: client.random ?? Math.random,
          })
          log.warn(
            { stream: name, code: status[code], reason: details, retryMs: waitMs },
            isSuperseded ? 'kds another process acts as this zone' : 'kds stream ended',
          )
          later(waitMs, attempt)
        }),
      )
    }
    attempt()
  }
  const supervisePings = (features: ReadonlySet<string>): void => {
    if (running.has('ping')) return
    const ended: Ended = (code, details) => {
      running.delete('ping')
      if (closed) return
      if (isConnectionLoss(code) || isFenced(code)) return lose({ code, details, stream: 'ping' })
      log.info({ stream: 'ping', code: status[code], reason: details }, 'kds ping stream ended')
      if (code !== status.UNIMPLEMENTED) later(adminRetryMs, () => supervisePings(features))
    }
    running.set('ping', answerPings(context, { tellsProgress: features.has(nodeFeatures.originSeq), ended }))
  }
  const superviseAdmin = (kind: Parameters<typeof openAdmin>[1]): void => {
    running.set(
      kind,
      openAdmin(context, kind, (code, details) => {
        running.delete(kind)
        if (closed) return
        if (isConnectionLoss(code) || isFenced(code)) return lose({ code, details, stream: kind })
        // a global without this service still syncs
        if (code === status.UNIMPLEMENTED) return
        log.info({ stream: kind, code: status[code], reason: details }, 'kds admin stream ended')
        later(adminRetryMs, () => superviseAdmin(kind))
      }),
    )
  }
  const receive = (): void => supervise('globalToZone', (ended) => openGlobalToZone(context, ended))

  receive()
  gate.whenOpen(() => {
    if (closed) return
    supervise('zoneToGlobal', (ended) =>
      openZoneToGlobal(context, ended, ({ features }) => {
        if (features.has(nodeFeatures.ping)) supervisePings(features)
      }),
    )
    for (const kind of ['configDump', 'stats', 'clusters'] as const) superviseAdmin(kind)
    void checkHealth({ context, isClosed: () => closed, later, lose })
  })
  if (options.afterLoss) {
    later(staleStreamMs, () => {
      const stream = running.get('globalToZone')
      if (memory.peer !== 'stock' || !stream) return
      // a stock global notices the dead stream only now, and its late end silences the new one
      log.info({ stream: 'globalToZone' }, 'kds stream renewed after the global noticed the lost one')
      stream.stop()
      running.delete('globalToZone')
      later(retryRangeOf('stock').firstMs, receive)
    })
  }
  const refuse = (other: GlobalIdentity): void =>
    lose({ code: status.FAILED_PRECONDITION, details: 'it is another global', stream: 'identity', other })
  return { close, refuse }
}

interface HealthOptions {
  readonly context: StreamContext
  isClosed(): boolean
  later(ms: number, work: () => void): void
  lose(outcome: SessionOutcome): void
}

/** Pings as often as global asks for. */
async function checkHealth(options: HealthOptions): Promise<void> {
  const { context, isClosed, later, lose } = options
  const { clock, recorder, zone } = context.client
  const { HealthCheck } = serviceDefinition('kuma.mesh.v1alpha1.GlobalKDSService')
  let nextMs = idleHealthMs
  try {
    const request = codec('kuma.mesh.v1alpha1.ZoneHealthCheckRequest').encode({})
    const { interval } = codec('kuma.mesh.v1alpha1.ZoneHealthCheckResponse').decode(
      await context.channel.unary(HealthCheck, request, healthDeadlineMs),
    )
    const ms = Number(interval?.seconds ?? 0) * 1_000 + (interval?.nanos ?? 0) / 1_000_000
    if (ms > 0) nextMs = Math.max(1_000, ms)
    if (!isClosed()) recorder.healthChecked(zone, timestamp(clock.now()))
  } catch (error) {
    const code = member(error, 'code')
    if (isClosed() || code === status.UNIMPLEMENTED) return
    // a global that takes calls but answers none is as good as gone
    if (code === status.DEADLINE_EXCEEDED) return lose({ code, details: 'no answer to a health check', stream: 'health' })
    context.log.debug({ err: messageOf(error) }, 'kds health check failed')
  }
  if (!isClosed()) later(nextMs, () => void checkHealth(options))
}

/** Whether to begin anew with another connection; of one that is not admitted any more the credentials are read again. */
function isConnectionLoss(code: status): boolean {
  return code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED || code === status.UNAUTHENTICATED
}
