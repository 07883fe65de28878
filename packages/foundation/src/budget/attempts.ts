// Attempts to show who one is, by address: whoever failed too often is not looked at for a while. What was good once is always looked at again,
// so that those who share an address with a stranger (a NAT, a load balancer) are not kept out by it.
import { createHash } from 'node:crypto'
import { clientOf, isLoopback } from '../net/address.ts'
import type { Budget } from './budget.ts'

export interface Attempt {
  /** IP address of the peer. */
  readonly address: string
  /** What it shows; whoever shows nothing makes nobody check it, and is neither counted nor refused. Kept as a digest, and only if it is good. */
  readonly credentials: readonly string[]
}

export interface Attempts {
  /**
   * What `verify` resolves with. Rejects with budget/exhausted, without calling it, when the address failed too often; otherwise as `verify`,
   * and then the failure counts if it is one of credentials.
   */
  check<T>(attempt: Attempt, verify: () => Promise<T>): Promise<T>
}

export interface AttemptsOptions {
  readonly budget: Budget
  /** Whether what `verify` threw says that the credential is not good. */
  readonly isFailure: (error: unknown) => boolean
  /** Who is never refused: this very host by default. */
  readonly isSpared?: (address: string) => boolean
  /** Credentials that were good and are remembered; 4,096 by default. */
  readonly maxKnown?: number
}

/** Everything is looked at, nothing is counted. */
export const uncountedAttempts: Attempts = { check: (_, verify) => verify() }

const defaultMaxKnown = 4096

export function createAttempts({ budget, isFailure, isSpared = isLoopback, maxKnown = defaultMaxKnown }: AttemptsOptions): Attempts {
  /** Digests, the latest at the end. */
  const known = new Set<string>()
  const remember = (mark: string): void => {
    known.delete(mark)
    known.add(mark)
    const [oldest] = known
    if (known.size > maxKnown && oldest !== undefined) known.delete(oldest)
  }
  return {
    check: async ({ address, credentials }, verify) => {
      if (credentials.length === 0 || isSpared(address)) return verify()
      const client = clientOf(address)
      const mark = createHash('sha256').update(credentials.join()).digest('base64url')
      if (!known.has(mark)) budget.require(client)
      try {
        const answer = await verify()
        remember(mark)
        return answer
      } catch (error) {
        if (isFailure(error)) {
          known.delete(mark)
          await budget.count(client)
        }
        throw error
      }
    },
  }
}
