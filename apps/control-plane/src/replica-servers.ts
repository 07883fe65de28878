// NATS and Redis between the replicas on one database: more ways beside those that need nothing but the database. Without the settings of one
// there is nothing of it, and the loss of one leaves what was there before.
import { hkdfSync } from 'node:crypto'
import type { Tally } from '@weft/foundation/budget'
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import { replicaAuthoritySecret } from '@weft/identity'
import {
  type Announcer,
  checkNatsSettings,
  checkRedisSettings,
  joinPresence,
  type Member,
  type NatsSettings,
  type Presence,
  type RedisSettings,
  type RequestPath,
  tellLiving,
} from '@weft/replicas'
import type { NatsAnnouncer } from '@weft/replicas/nats'
import type { Store } from '@weft/store'
import type { ControlPlaneConfig } from './config.ts'

export interface ReplicaServers {
  /** For the store: announces its changes. Absent without NATS. */
  readonly announcer?: (storeId: string) => Announcer
  /** What they give to the replicas of a store that is open. Nothing connects before it starts. */
  join(parts: { readonly store: Store; readonly self: Member; readonly table: Presence }): JoinedServers
}

export interface JoinedServers {
  readonly announcer: Announcer | undefined
  /** Before the paths that are there anyhow. */
  readonly paths: readonly RequestPath[]
  /** The table's, and what Redis knows. */
  readonly presence: Presence
  /** Where budgets are shared. Absent without Redis. */
  readonly tally: Tally | undefined
  /** Waits for neither server. */
  start(): void
  /** Says goodbye at both. */
  stop(): Promise<void>
}

export interface ReplicaServersNeeds {
  readonly config: ControlPlaneConfig
  readonly instanceId: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** How to reach NATS, if at all. */
export function natsSettings({ weft: { nats } }: ControlPlaneConfig): NatsSettings | undefined {
  const { url: servers, ...rest } = nats
  return servers.length === 0 ? undefined : { servers, ...rest }
}

/** How to reach Redis, if at all. */
export function redisSettings({ weft: { redis } }: ControlPlaneConfig): RedisSettings | undefined {
  return redis.url === '' ? undefined : redis
}

/** Throws config/invalid naming the settings that cannot be used. */
export function checkReplicaServers(config: ControlPlaneConfig): void {
  const servers = { 'weft.nats': natsSettings(config), 'weft.redis': redisSettings(config) }
  for (const [key, settings] of Object.entries(servers)) {
    if (settings && config.store.type !== 'postgres')
      throw new AppError('config/invalid', `${key} connects replicas on one database: it needs store.type postgres`)
  }
  const named = (key: keyof typeof servers, check: () => void): void => {
    try {
      check()
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      throw new AppError(error.code, `${key}: ${error.message.replace(/^\w+: /, '')}`, { cause: error })
    }
  }
  const { 'weft.nats': nats, 'weft.redis': redis } = servers
  if (nats) named('weft.nats', () => checkNatsSettings(nats))
  if (redis) named('weft.redis', () => void checkRedisSettings(redis))
}

/** Loads the clients of those that are used. Errors: config/invalid, config/unreadable. */
export async function createReplicaServers(needs: ReplicaServersNeeds): Promise<ReplicaServers> {
  const { config, instanceId, clock, log: root, metrics } = needs
  const nats = natsSettings(config)
  const redis = redisSettings(config)
  const log = root.child({ component: 'replicas' })
  const parts = { clock, log, metrics }
  const byNats = nats && (await import('@weft/replicas/nats'))
  const byRedis = redis && (await import('@weft/replicas/redis'))
  const natsLink = nats && byNats?.createNatsLink({ settings: nats, ...parts })
  const redisLink = redis && byRedis?.createRedisLink({ settings: redis, ...parts })
  let announcer: NatsAnnouncer | undefined
  return {
    ...(byNats && natsLink
      ? {
          announcer: (storeId) => {
            // a store that is opened in a second attempt has the one of the first
            announcer ??= byNats.createNatsAnnouncer({ link: natsLink, storeId, instanceId, ...parts })
            return announcer
          },
        }
      : {}),
    join: ({ store, self, table }) => {
      const path =
        natsLink && byNats?.createNatsRequestPath({ link: natsLink, storeId: store.id, instanceId, key: keyOfReplicas(store), ...parts })
      const presence = redisLink && byRedis?.createRedisPresence({ link: redisLink, storeId: store.id, self, ...parts })
      const tally = redisLink && byRedis?.createRedisTally({ link: redisLink, storeId: store.id, log })
      const stopTelling = announcer && tellLiving(table, announcer)
      return {
        announcer,
        paths: path ? [path] : [],
        presence: presence ? joinPresence(table, presence) : table,
        tally,
        start: () => {
          presence?.start()
          redisLink?.start()
          natsLink?.start()
        },
        stop: async () => {
          stopTelling?.()
          path?.stop()
          announcer?.stop()
          await Promise.all([natsLink?.stop(), presence?.stop()])
          redisLink?.stop()
        },
      }
    },
  }
}

/**
 * The key by which replicas know each other's questions on a server that others may use too. It follows from the authority of the inter-CP
 * port, which only they have; there is none as long as that one is not made.
 */
function keyOfReplicas(store: Pick<Store, 'get'>): () => Uint8Array | undefined {
  let made: { readonly version: number; readonly key: Uint8Array } | undefined
  return () => {
    const secret = store.get({ type: 'GlobalSecret', mesh: '', name: replicaAuthoritySecret })
    if (!secret) return undefined
    if (made?.version !== secret.version)
      made = {
        version: secret.version,
        key: new Uint8Array(hkdfSync('sha256', JSON.stringify(secret.spec), '', 'weft replicas by nats 1', 32)),
      }
    return made.key
  }
}
