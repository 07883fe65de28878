// What one stream still owes its proxy, and what the proxy still has to answer: for whoever follows how far a change has come.
import type { ProxySnapshot, XdsType } from './contract.ts'
import type { Lanes } from './lane.ts'
import { xdsTypes } from './type-urls.ts'

export interface Backlog {
  /**
   * Everything that changes what the proxy does was sent. Clusters, endpoints and secrets that nothing names any more may still be there:
   * they go later, when old connections had time to end.
   */
  readonly isSent: boolean
  /** Number of the oldest response without an answer; Infinity when there is none. */
  readonly firstUnanswered: number
  /** The proxy refused something, and it is not known yet what of it. */
  readonly isSearching: boolean
  /** The proxy refuses something that it should have. */
  readonly isRefusing: boolean
}

export interface BacklogOptions {
  readonly snapshot: ProxySnapshot
  readonly lanes: Lanes
  /** Nothing is taken away from the proxy. */
  readonly retains: boolean
  /** What the proxy reported under this name stays as it is for now. */
  readonly keeps: (type: XdsType, name: string) => boolean
}

export function backlogOf({ snapshot, lanes, retains, keeps }: BacklogOptions): Backlog {
  let isSent = true
  let isSearching = false
  let isRefusing = false
  let firstUnanswered = Number.POSITIVE_INFINITY
  for (const type of xdsTypes) {
    const { subscription } = lanes[type]
    for (const nonce of subscription.outstanding.keys()) {
      firstUnanswered = Math.min(firstUnanswered, Number(nonce))
      break
    }
    if (subscription.rejected.size > 0) isRefusing = true
    for (const name of subscription.dirty) {
      const cell = snapshot[type].get(name)
      if (cell?.awaited === true) continue
      const verdict = subscription.verdict(name, cell?.current)
      // sent and refused together with others: each is tried again on its own
      if (verdict === 'send' && subscription.uncertain.has(name) && !subscription.isForced(name)) isSearching = true
      else if (verdict === 'send' ? !keeps(type, name) : verdict === 'remove' && type === 'listener' && !retains) isSent = false
    }
  }
  return { isSent, firstUnanswered, isSearching, isRefusing }
}
