// How much of something one address or user may have of this control plane in a minute, shared with the other replicas where they have a place for it.
import { type Attempts, type Budget, createAttempts, createBudget, type Tally } from '@weft/foundation/budget'
import { hasCode } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { ControlPlaneConfig } from './config.ts'

export interface OwnBudgets {
  /** Tokens of users at the API. */
  readonly users: Attempts
  /** Tokens of zones at the sync port. */
  readonly zones: Attempts
  /** Credentials of proxies, at bootstrap and on their streams. */
  readonly proxies: Attempts
  /** Questions that travel to proxies. */
  readonly questions: Budget
  /** Requests that change something. */
  readonly writes: Budget
}

export interface OwnBudgetsNeeds {
  readonly config: Pick<ControlPlaneConfig, 'weft'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly tally: Tally | undefined
}

export function createOwnBudgets({ config, ...parts }: OwnBudgetsNeeds): OwnBudgets {
  const { userFailures, zoneFailures, proxyFailures, questions, writes } = config.weft.budget
  const budget = (name: string, limit: number, refusal: string): Budget => createBudget({ name, limit, refusal, ...parts })
  const attempts = (name: string, limit: number, isFailure: (error: unknown) => boolean): Attempts =>
    createAttempts({ budget: budget(name, limit, 'too many failed attempts from this address'), isFailure })
  return {
    users: attempts('user-failures', userFailures, (error) => hasCode(error, 'token/invalid')),
    zones: attempts('zone-failures', zoneFailures, (error) => hasCode(error, 'kds/unauthenticated')),
    proxies: attempts('proxy-failures', proxyFailures, isProxyFailure),
    questions: budget('questions', questions, 'too many questions to proxies'),
    writes: budget('writes', writes, 'too many changes'),
  }
}

/** At bootstrap a token of an unknown key is not judged: its key may be on its way, and the stream will tell. */
function isProxyFailure(error: unknown): boolean {
  return hasCode(error, 'xds/unauthenticated') || (hasCode(error, 'token/invalid') && error.details['reason'] !== 'unknown-key')
}
