// Hears of new changes. LISTEN on a session of its own is a wake-up only: what changed is read from the log. Behind a pooler that shares
// sessions notifications never arrive; this is found out by sending one, and until it comes the log is asked every 500 ms.
import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { changesChannel } from './channel.ts'

/** Another way by which instances tell each other that the log has grown. Lossy: the log itself is the truth. */
export interface StoreAnnouncer {
  /** False while not everything is told this way: then the log is listened to, or asked. */
  readonly isUp: boolean
  announce(seq: number): void
  /** Returns the unsubscriber. */
  onAnnounced(listener: (seq: number) => void): () => void
  /** Told when `isUp` changes: what was said meanwhile was missed. */
  onUp(listener: (isUp: boolean) => void): () => void
}

export interface WakeUpOptions {
  client(): pg.Client
  readonly pool: pg.Pool
  readonly clock: Clock
  readonly log: Logger
  /** Called with the last number that was heard of. */
  readonly onHeard: (seq: number) => void
  /** Called with every other notification of the channel; true when it was understood. */
  readonly onOther?: (payload: string) => boolean
  /** Called when changes may have been missed: ask the log. */
  readonly onDoubt: () => void
  readonly announcer?: StoreAnnouncer | undefined
}

export interface WakeUp {
  /** Resolves when the session listens, or when it is known that it cannot at the moment. */
  start(): Promise<void>
  stop(): Promise<void>
}

const pollMs = 500
const proofMs = 1000
const heartbeatMs = 10_000
const heartbeatTimeoutMs = 5000
const retryMs = { first: 100, last: 5000 } as const

/** A listener that renews its session by itself. */
export function createWakeUp(options: WakeUpOptions): WakeUp {
  const { pool, clock, log, onHeard, onDoubt, announcer } = options
  let session: pg.Client | undefined
  let isStopped = false
  let isProven = false
  /** It was said that notifications do not arrive. */
  let isDoubtSaid = false
  let attempts = 0
  let nonce = ''
  const timers = new Map<'poll' | 'proof' | 'heartbeat' | 'retry', Timer>()

  const later = (name: 'poll' | 'proof' | 'heartbeat' | 'retry', ms: number, fn: () => void): void => {
    timers.get(name)?.cancel()
    if (isStopped) return
    timers.set(
      name,
      clock.after(ms, () => {
        timers.delete(name)
        if (!isStopped) fn()
      }),
    )
  }
  const stop = (...names: readonly ('poll' | 'proof')[]): void => {
    for (const name of names) {
      timers.get(name)?.cancel()
      timers.delete(name)
    }
  }
  /** Notifications do not come: asks the log for as long as nobody else tells. */
  const poll = (): void => {
    onDoubt()
    if (announcer?.isUp !== true) later('poll', pollMs, poll)
  }
  const stopHearing = announcer?.onAnnounced(onHeard)
  const stopWatching = announcer?.onUp((isUp) => {
    // what was said while that way was down was missed, and what was said before it was known to be down
    onDoubt()
    if (isUp) stop('poll')
    else if (!isProven && !timers.has('proof') && !timers.has('poll')) poll()
  })
  const hear = (payload: string | undefined): void => {
    if (payload === nonce) {
      if (!isProven && isDoubtSaid) log.info({ channel: changesChannel }, 'notifications of the database arrive')
      isProven = true
      isDoubtSaid = false
      attempts = 0
      stop('poll', 'proof')
      return
    }
    if (payload !== undefined && options.onOther?.(payload)) return
    const seq = Number(payload)
    if (Number.isSafeInteger(seq)) onHeard(seq)
  }
  /** Sends a notification on another connection: what comes back proves the way. */
  const prove = (): void => {
    nonce = `proof ${randomUUID()}`
    pool.query({ text: 'SELECT pg_notify($1, $2)', values: [changesChannel, nonce] }).catch((error: unknown) => {
      log.debug({ err: messageOf(error) }, 'cannot send a notification')
    })
    later('proof', proofMs, () => {
      if (isProven) return
      const instead = announcer?.isUp === true ? 'changes are announced another way' : 'the change log is polled'
      if (!isDoubtSaid) log.warn({ ms: pollMs }, `notifications of the database do not arrive (a pooler that shares sessions?), ${instead}`)
      isDoubtSaid = true
      if (!timers.has('poll')) poll()
    })
  }
  const beat = (of: pg.Client): void => {
    later('heartbeat', heartbeatMs, () => {
      const question = { text: 'SELECT seq FROM weft.counter', query_timeout: heartbeatTimeoutMs }
      of.query<{ seq: string }>(question).then(
        ({ rows }) => {
          onHeard(Number(rows[0]?.seq ?? 0))
          if (!isProven) prove()
          beat(of)
        },
        (error: unknown) => lost(of, error),
      )
    })
  }
  const lost = (of: pg.Client, error: unknown): void => {
    if (session !== of || isStopped) return
    session = undefined
    of.end().catch(() => {})
    log.warn({ err: messageOf(error) }, 'the session that listens for changes is lost, trying again')
    isProven = false
    timers.get('proof')?.cancel()
    poll()
    again()
  }
  const again = (): void => {
    later('retry', Math.min(retryMs.last, retryMs.first * 2 ** attempts), () => void listen())
    attempts += 1
  }
  const listen = async (): Promise<void> => {
    const client = options.client()
    client.on('notification', (message) => {
      if (message.channel === changesChannel) hear(message.payload)
    })
    client.on('error', (error) => lost(client, error))
    client.on('end', () => lost(client, 'the connection ended'))
    try {
      await client.connect()
      await client.query(`LISTEN ${changesChannel}`)
      if (isStopped) {
        await client.end()
        return
      }
      session = client
      // what came before the session listened was not heard
      onDoubt()
      prove()
      beat(client)
    } catch (error) {
      client.end().catch(() => {})
      log.debug({ err: messageOf(error) }, 'cannot listen for changes')
      if (!timers.has('poll')) poll()
      again()
    }
  }

  return {
    start: listen,
    stop: async () => {
      isStopped = true
      stopHearing?.()
      stopWatching?.()
      for (const timer of timers.values()) timer.cancel()
      const open = session
      session = undefined
      await open?.end().catch(() => {})
    },
  }
}
