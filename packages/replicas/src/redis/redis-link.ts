// One connection to Redis that comes back by itself. Invariant: `isUp` is true only while commands are answered in time; nothing is queued
// while it is not, and nothing waits for it.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock, Timer } from '@weft/foundation/time'
import { Redis } from 'ioredis'
import { afterReading, backOffMs } from '../answer-deadline.ts'
import { checkRedisSettings, redisOptions, type RedisSettings } from './settings.ts'

export interface RedisLinkOptions {
  readonly settings: RedisSettings
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics | undefined
}

export interface RedisLink {
  readonly isUp: boolean
  /** Told when `isUp` changes. Returns the unsubscriber. */
  onUp(listener: (isUp: boolean) => void): () => void
  /** The answer to a command. Rejects when the link is not up, with what Redis refuses, and when no answer comes within 800 ms; then it is down. */
  run<T>(command: (client: Redis) => Promise<T>): Promise<T>
  /** Starts to connect and waits for nothing. */
  start(): void
  stop(): void
}

const answerMs = 800
const connectMs = 2000
const retry = { firstMs: 100, lastMs: 1000 } as const

/** Throws config/invalid or config/unreadable when the settings cannot be used. */
export function createRedisLink({ settings, clock, log, metrics }: RedisLinkOptions): RedisLink {
  const { host, port } = checkRedisSettings(settings)
  const server = `${host}:${port}`
  const listeners = new Set<(isUp: boolean) => void>()
  let isUp = false
  let reason: string | undefined
  let handshake: Timer | undefined
  metrics?.gauge('replicas_redis_up', '1 while Redis answers this process.', [], () => (isUp ? 1 : 0))
  const client = new Redis({
    ...redisOptions(settings),
    lazyConnect: true,
    connectTimeout: connectMs,
    disconnectTimeout: answerMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times: number) => backOffMs(times - 1, retry),
    // after a failover the old primary takes no writes: the name may lead elsewhere by now
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  })

  const setUp = (next: boolean): void => {
    if (isUp === next) return
    isUp = next
    for (const listener of listeners) listener(next)
  }
  const failed = (error: unknown): void => {
    setUp(false)
    const said = messageOf(error)
    // the end of a connection says less than what led to it
    if (said === reason || (reason !== undefined && said === closedText)) return
    reason = said
    log.warn({ err: said, server }, 'no connection to Redis, trying again')
  }
  client.on('error', failed)
  client.on('close', () => {
    handshake?.cancel()
    failed(new Error(closedText))
  })
  client.on('connect', () => {
    // a stopped server takes connections and says nothing on them
    handshake = afterReading(clock, connectMs, () => client.disconnect(true))
  })
  client.on('ready', () => {
    handshake?.cancel()
    reason = undefined
    log.info({ server }, 'connected to Redis')
    setUp(true)
  })

  return {
    get isUp() {
      return isUp
    },
    onUp: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    run: (command) =>
      new Promise((resolve, reject) => {
        if (!isUp) {
          reject(new Error('Redis is not up'))
          return
        }
        const timer = afterReading(clock, answerMs, () => {
          const late = new Error('Redis does not answer')
          reject(late)
          failed(late)
          client.disconnect(true)
        })
        command(client).then(
          (answer) => {
            timer.cancel()
            resolve(answer)
          },
          (error: unknown) => {
            timer.cancel()
            reject(error instanceof Error ? error : new Error(messageOf(error)))
          },
        )
      }),
    start: () => {
      // what goes wrong is told by its events
      client.connect().catch(() => {})
    },
    stop: () => {
      listeners.clear()
      handshake?.cancel()
      isUp = false
      reason = closedText
      client.disconnect()
    },
  }
}

const closedText = 'the connection ended'
