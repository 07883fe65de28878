// A budget: so many uses of something in a window of time, for each key. Windows are fixed: one begins with the first use and ends as a whole.
// Invariant: at most `maxKeys` keys are remembered, whatever comes; of more, the one whose window began first is forgotten.
import { createHash } from 'node:crypto'
import { AppError, hasCode, messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import type { Metrics } from '../metrics/index.ts'
import type { Clock } from '../time/index.ts'
import type { Tally } from './tally.ts'

export interface Budget {
  /** Throws budget/exhausted when nothing is left for the key. Asks nobody. */
  require(key: string): void
  /** Counts one use. Resolves, with whether it was within the budget, once the others that share it have been heard or given up; never rejects. */
  count(key: string): Promise<boolean>
  /** Takes one use. Rejects with budget/exhausted when there is none; what is refused is not counted. */
  spend(key: string): Promise<void>
  /** Keys that are remembered. */
  readonly size: number
}

export interface BudgetOptions {
  /** In metrics, logs and the shared count: `rest-failures`, ... */
  readonly name: string
  /** Uses of a key in a window; 0 is as many as one likes. */
  readonly limit: number
  /** A minute by default. */
  readonly windowMs?: number
  /** What is told to whoever is refused, before the time: `too many questions to proxies`. */
  readonly refusal: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics | undefined
  /** Where other processes count, too. Default: this process counts alone. */
  readonly tally?: Tally | undefined
  /** 16,384 by default. */
  readonly maxKeys?: number
}

interface Use {
  used: number
  /** Monotonic. */
  endsAt: number
  isTold: boolean
}

const minuteMs = 60_000
const defaultMaxKeys = 16_384

export function createBudget(options: BudgetOptions): Budget {
  const { name, limit, clock, log, tally } = options
  const { windowMs = minuteMs, maxKeys = defaultMaxKeys } = options
  if (limit <= 0) return { require: () => {}, count: async () => true, spend: async () => {}, size: 0 }
  /** By id of the key, in the order in which windows began here. */
  const uses = new Map<string, Use>()
  const refusals = options.metrics?.counter('budget_refusals_total', 'What was refused because its budget was used up.', ['budget'])

  const find = (id: string): Use | undefined => {
    const use = uses.get(id)
    if (!use || use.endsAt > clock.monotonic()) return use
    uses.delete(id)
    return undefined
  }
  const begin = (id: string): Use => {
    const now = clock.monotonic()
    for (const [oldest, { endsAt }] of uses) {
      if (endsAt > now && uses.size < maxKeys) break
      uses.delete(oldest)
    }
    const use: Use = { used: 0, endsAt: now + windowMs, isTold: false }
    uses.set(id, use)
    return use
  }
  const refuse = ({ endsAt }: Use): AppError => {
    refusals?.inc({ budget: name })
    const retryAfterMs = Math.max(1, endsAt - clock.monotonic())
    return new AppError('budget/exhausted', `${options.refusal}: try again in ${Math.ceil(retryAfterMs / 1000)}s`, {
      details: { retryAfterMs },
    })
  }
  const hear = async (id: string, use: Use): Promise<number> => {
    try {
      const shared = await tally?.add(name, id, windowMs)
      if (!shared) return 0
      // fewer than are known here: the place has forgotten, or was away
      if (shared.used >= use.used) {
        use.used = shared.used
        use.endsAt = clock.monotonic() + Math.min(windowMs, shared.endsInMs)
      }
      return shared.used
    } catch (error) {
      log.debug({ budget: name, err: messageOf(error) }, 'a budget is counted by this process alone')
      return 0
    }
  }
  const take = async (key: string): Promise<Use | undefined> => {
    const id = idOf(key)
    const use = find(id) ?? begin(id)
    use.used += 1
    const own = use.used
    const used = Math.max(own, await hear(id, use))
    if (use.used >= limit && !use.isTold) {
      use.isTold = true
      log.warn({ budget: name, from: key.slice(0, 100), limit }, 'a budget is used up')
    }
    return used > limit ? use : undefined
  }
  const requireLeft = (key: string): void => {
    const use = find(idOf(key))
    if (use && use.used >= limit) throw refuse(use)
  }

  return {
    get size() {
      return uses.size
    },
    require: requireLeft,
    count: async (key) => (await take(key)) === undefined,
    spend: async (key) => {
      requireLeft(key)
      const over = await take(key)
      if (over) throw refuse(over)
    },
  }
}

/** Whole seconds until the budget has something again; undefined for any other error. */
export function retryAfterSeconds(error: unknown): number | undefined {
  if (!hasCode(error, 'budget/exhausted')) return undefined
  const { retryAfterMs } = error.details
  return typeof retryAfterMs === 'number' ? Math.ceil(retryAfterMs / 1000) : undefined
}

/** Of a fixed size, however long the key is, and says nothing of it. */
function idOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 22)
}
