// Budgets that replicas share, counted in Redis. Each key ends by itself with its window, so Redis holds what a minute brought and no more.
import type { SharedCount, Tally } from '@weft/foundation/budget'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { RedisLink } from './redis-link.ts'

export interface RedisTallyOptions {
  readonly link: RedisLink
  readonly storeId: string
  readonly log: Logger
}

/**
 * Counts one use. KEYS: the key. ARGV: ms of a window. Answers the uses and the ms until they end; a key without an end, or with one that is
 * too far away, is not ours and gets ours.
 */
const countScript = `
local used = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
local window = tonumber(ARGV[1])
if left < 0 or left > window then
  redis.call('PEXPIRE', KEYS[1], window)
  left = window
end
return { used, left }`

/** Counts nothing while the link is not up. */
export function createRedisTally({ link, storeId, log }: RedisTallyOptions): Tally {
  const prefix = `weft:{${storeId}}:budget:`
  let isRefused = false
  const count = async (key: string, windowMs: number): Promise<SharedCount> => {
    try {
      const count = readCount(await link.run((client) => client.eval(countScript, 1, key, windowMs)))
      isRefused = false
      return count
    } catch (error) {
      // a link that went down has said so itself
      if (link.isUp && !isRefused) {
        isRefused = true
        log.warn({ err: messageOf(error) }, 'Redis does not count budgets, each replica counts alone')
      }
      throw error
    }
  }
  return { add: (budget, id, windowMs) => (link.isUp ? count(`${prefix}${budget}:${id}`, windowMs) : undefined) }
}

function readCount(answer: unknown): SharedCount {
  const [used, endsInMs]: readonly unknown[] = Array.isArray(answer) ? answer : []
  if (typeof used !== 'number' || typeof endsInMs !== 'number' || !Number.isSafeInteger(used) || used < 1 || endsInMs < 0)
    throw new Error('Redis answers no count')
  return { used, endsInMs }
}
