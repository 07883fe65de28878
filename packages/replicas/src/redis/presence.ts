// Who is there, by keys in Redis that end by themselves. That a key is missing says something of its member only if Redis answered all the time
// and kept what it was told: after anything else nobody is missed until everyone had the time to come back.
import { messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock, Timer } from '@weft/foundation/time'
import type { Member, Presence } from '../contract.ts'
import { createHoldings } from './holdings.ts'
import { beatScript, holderScript, leaveScript, presenceKeys } from './presence-scripts.ts'
import { createRoster } from '../roster.ts'
import type { RedisLink } from './redis-link.ts'

export interface RedisPresenceOptions {
  readonly link: RedisLink
  readonly storeId: string
  readonly self: Member
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics | undefined
  /** How long its key lives without a beat; 3,000 ms by default. */
  readonly keyMs?: number
}

export interface RedisPresence extends Presence {
  start(): void
  /** Takes this member out, so that the others see at once that it ended. Before the link is stopped. */
  stop(): Promise<void>
}

const beatMs = 1000
const ttlMs = 3000
/** Nobody misses a beat of its own by less; a longer pause may have ended keys of those who live. */
const pauseMs = ttlMs - beatMs - 250
/** For the others to come back: to notice, to connect and to beat. */
const graceMs = 2 * ttlMs

export function createRedisPresence(options: RedisPresenceOptions): RedisPresence {
  const { link, storeId, self, clock, log } = options
  const keys = presenceKeys(storeId)
  const ownKey = keys.memberPrefix + self.instanceId
  const holdings = createHoldings({ link, keys, instanceId: self.instanceId, log })
  const roster = createRoster(log)
  let isUp = false
  let last = Number.NEGATIVE_INFINITY
  let judgeFrom = Number.POSITIVE_INFINITY
  let timer: Timer | undefined
  let isBeating = false
  let isStopped = false
  options.metrics?.gauge('replicas_presence_members', 'Other replicas of this control plane, as Redis has them.', [], () => roster.size)
  options.metrics?.gauge('replicas_presence_holdings', 'Streams that this replica says it holds.', [], () => holdings.size)

  const take = (wasThere: boolean, others: readonly Member[]): void => {
    const now = clock.monotonic()
    if (!wasThere || !isUp || now - last >= pauseMs) {
      if (roster.size > 0) log.info({ ms: graceMs }, 'Redis may have lost members: nobody is missed until all had time to come back')
      judgeFrom = now + graceMs
      holdings.rewrite()
    } else holdings.refresh()
    last = now
    isUp = true
    roster.heard(others, { isSilenceCounted: now >= judgeFrom })
  }
  const beat = async (): Promise<void> => {
    if (isBeating || isStopped) return
    isBeating = true
    try {
      const said = JSON.stringify(self)
      const answer: unknown = await link.run((client) =>
        client.eval(beatScript, 2, ownKey, keys.members, self.instanceId, said, options.keyMs ?? ttlMs, keys.memberPrefix),
      )
      if (!isStopped && Array.isArray(answer)) take(answer[0] === 1, answer.slice(1).flatMap(readMember))
    } catch (error) {
      if (isUp) log.debug({ err: messageOf(error) }, 'presence is not kept')
      isUp = false
    }
    isBeating = false
  }
  const again = (): void => {
    timer?.cancel()
    if (isStopped) return
    timer = clock.after(beatMs, () => {
      void beat()
      again()
    })
  }
  const stopWatching = link.onUp((linkIsUp) => {
    if (linkIsUp) void beat()
    else isUp = false
  })

  return {
    get isUp() {
      return isUp && link.isUp
    },
    members: roster.members,
    onMissing: roster.onMissing,
    onJoined: roster.onJoined,
    hold: holdings.hold,
    holder: async (holding) => {
      const id: unknown = await link.run((client) => client.eval(holderScript, 1, keys.holderPrefix + holding, keys.memberPrefix))
      return typeof id === 'string' ? id : undefined
    },
    start: () => {
      if (link.isUp) void beat()
      again()
    },
    stop: async () => {
      if (isStopped) return
      isStopped = true
      isUp = false
      timer?.cancel()
      stopWatching()
      try {
        await link.run((client) => client.eval(leaveScript, 2, ownKey, keys.members, self.instanceId))
      } catch (error) {
        log.debug({ err: messageOf(error) }, 'the presence of this replica stays until it ends by itself')
      }
    },
  }
}

/** What a member says of itself; nothing when it cannot be read. */
function readMember(text: unknown): readonly Member[] {
  if (typeof text !== 'string' || text.length > 4096) return []
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return []
  }
  if (!isObject(value)) return []
  const { instanceId, address } = value
  if (typeof instanceId !== 'string' || instanceId === '') return []
  const isAddress = isObject(address) && typeof address['host'] === 'string' && Number.isInteger(address['port'])
  // the two fields have just been looked at
  return [{ instanceId, ...(isAddress ? { address: { host: address['host'] as string, port: address['port'] as number } } : {}) }]
}
