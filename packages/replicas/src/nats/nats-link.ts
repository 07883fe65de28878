// One connection to NATS that comes back by itself. Invariant: `isUp` is true only while the server answers and has taken every subscription;
// a server that falls silent, a connection that ends and a right that is missing all end it within two seconds.
import { connect, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock, Timer } from '@weft/foundation/time'
import { backOffMs, isFulfilledWithin } from '../answer-deadline.ts'
import { hearGreeting } from './greeting.ts'
import { natsConnectionOptions } from './connection-options.ts'
import { checkNatsSettings, type NatsSettings, parseNatsServer } from './settings.ts'

export interface NatsLinkOptions {
  readonly settings: NatsSettings
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics | undefined
}

export interface NatsPublishOptions {
  /** The subject that answers go to. */
  readonly reply?: string
  readonly headers?: MsgHdrs
}

export interface NatsLink {
  readonly isUp: boolean
  /** Told when `isUp` changes. Returns the unsubscriber. */
  onUp(listener: (isUp: boolean) => void): () => void
  /** Bytes of headers and payload that the server takes in one message; 0 while it is not up. */
  readonly maxBytes: number
  /** Receives on this and every later connection, own messages excepted. Only before `start`, so that being up says that all is heard. */
  subscribe(subject: string, listener: (message: Msg) => void): void
  /** Sends it, or returns false: not up, or too large. */
  publish(subject: string, payload: Uint8Array, options?: NatsPublishOptions): boolean
  /** Starts to connect and waits for nothing. */
  start(): void
  /** Sends what was published, for half a second at most, and ends the connection. */
  stop(): Promise<void>
}

const connectMs = 2000
const pingMs = 500
const answerMs = 1000
const lastWordsMs = 500
const retry = { firstMs: 100, lastMs: 2000 } as const
/** A connection that lived this long was a good one: the next attempt comes soon. */
const goodMs = 10_000

/** Throws config/invalid when the settings cannot be used. */
export function createNatsLink({ settings, clock, log, metrics }: NatsLinkOptions): NatsLink {
  checkNatsSettings(settings)
  const listeners = new Set<(isUp: boolean) => void>()
  const subscriptions: { readonly subject: string; readonly listener: (message: Msg) => void }[] = []
  let connection: NatsConnection | undefined
  let since = 0
  let attempt = 0
  let turn = Math.floor(Math.random() * settings.servers.length)
  let reason: string | undefined
  let isStarted = false
  let isStopped = false
  let timer: Timer | undefined
  const state = { isUp: false }
  metrics?.gauge('replicas_nats_up', '1 while NATS answers this process.', [], () => (state.isUp ? 1 : 0))

  const setUp = (isUp: boolean): void => {
    if (state.isUp === isUp) return
    state.isUp = isUp
    for (const listener of listeners) listener(isUp)
  }
  const later = (ms: number, fn: () => void): void => {
    timer?.cancel()
    if (!isStopped) timer = clock.after(ms, fn)
  }
  /** Nothing of a message from outside may get past here: the client's reader would end. */
  const guarded = (listener: (message: Msg) => void) => (message: Msg) => {
    try {
      listener(message)
    } catch (error) {
      log.error({ err: messageOf(error) }, 'a message from NATS could not be handled')
    }
  }
  const failed = (of: NatsConnection | undefined, error: unknown): void => {
    if (of !== connection) return
    connection = undefined
    setUp(false)
    // at once, without flushing: the other end may take nothing any more
    of?.close().catch(() => {})
    if (isStopped) return
    if (clock.monotonic() - since > goodMs) attempt = 0
    const said = messageOf(error)
    if (said !== reason) log.warn({ err: said, servers: settings.servers }, 'no connection to NATS, trying again')
    reason = said
    later(backOffMs(attempt, retry), () => void open())
    attempt += 1
  }
  const open = async (): Promise<void> => {
    const server = parseNatsServer(settings.servers[turn % settings.servers.length] ?? '')
    turn += 1
    since = clock.monotonic()
    let made: NatsConnection | undefined
    try {
      await hearGreeting(server, clock, answerMs)
      made = await connect({ ...natsConnectionOptions(settings, server), name: 'weft', timeout: connectMs })
      if (isStopped) {
        made.close().catch(() => {})
        return
      }
      connection = made
      await establish(made)
    } catch (error) {
      failed(made, error)
    }
  }
  const establish = async (made: NatsConnection): Promise<void> => {
    void made.closed().then((error) => failed(made, error instanceof Error ? error : new Error('the connection ended')))
    void watchErrors(made)
    for (const { subject, listener } of subscriptions) {
      const hear = guarded(listener)
      made.subscribe(subject, {
        callback: (error, message) => (error ? failed(made, error) : hear(message)),
      })
    }
    if (!(await isFulfilledWithin(clock, answerMs, made.flush()))) throw new Error('no answer to the subscriptions')
    if (connection !== made) return
    reason = undefined
    log.info({ server: made.getServer() }, 'connected to NATS')
    setUp(true)
    ping(made)
  }
  /** Errors that the server tells outside of any answer: above all, rights that are missing. */
  const watchErrors = async (made: NatsConnection): Promise<void> => {
    for await (const status of made.status()) if (status.type === 'error') failed(made, status.error)
  }
  const ping = (of: NatsConnection): void => {
    later(pingMs, () => {
      void isFulfilledWithin(clock, answerMs, of.flush()).then((isAnswered) => {
        if (of !== connection) return
        if (isAnswered) ping(of)
        else failed(of, new Error('the server does not answer'))
      })
    })
  }

  return {
    get isUp() {
      return state.isUp
    },
    onUp: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    get maxBytes() {
      return state.isUp ? (connection?.info?.max_payload ?? 0) : 0
    },
    subscribe: (subject, listener) => {
      if (isStarted) throw new Error('subscribe before start')
      subscriptions.push({ subject, listener })
    },
    publish: (subject, payload, options) => {
      if (!connection || !state.isUp) return false
      try {
        connection.publish(subject, payload, options)
        return true
      } catch (error) {
        log.debug({ err: messageOf(error) }, 'NATS does not take a message')
        return false
      }
    },
    start: () => {
      if (isStarted) return
      isStarted = true
      void open()
    },
    stop: async () => {
      if (isStopped) return
      isStopped = true
      timer?.cancel()
      const last = connection
      if (last && state.isUp) await isFulfilledWithin(clock, lastWordsMs, last.flush())
      failed(last, undefined)
      listeners.clear()
    },
  }
}
