// The second vantage point: what proxies of this zone experience with one ingress while probes of it fail. Pure bookkeeping. Counters are
// compared with those at the first look, so that rare attempts add up.
import type { HostCounters } from './host-counters.ts'
import type { Witness } from './verdict.ts'

interface Seen {
  base: HostCounters
  last: HostCounters
  looks: number
}

/** What was seen of one ingress since probes of it fail. */
export interface Witnesses {
  /** Counters that a proxy shows now. */
  saw(proxyKey: string, counters: HostCounters): void
  /** `others`: failing probes of other replicas. */
  verdict(others?: number): Witness
  /** Up to `count` proxies to ask next: those that experienced something first, then the others in turn. */
  choose(candidates: readonly string[], count: number): readonly string[]
}

/** Nobody was asked yet. */
export function createWitnesses(): Witnesses {
  const seen = new Map<string, Seen>()
  let turn = 0
  const failed = ({ base, last }: Seen): boolean => last.failures > base.failures

  return {
    saw: (proxyKey, counters) => {
      const known = seen.get(proxyKey)
      // an endpoint that was removed and came back counts from zero
      if (!known || counters.failures < known.last.failures || counters.successes < known.last.successes)
        seen.set(proxyKey, { base: counters, last: counters, looks: 1 })
      else {
        known.last = counters
        known.looks += 1
      }
    },
    verdict: (others = 0) => {
      const compared = [...seen.values()].filter(({ looks }) => looks > 1)
      if (compared.some(({ base, last }) => last.successes > base.successes)) {
        // what works now proves nothing about later
        for (const entry of seen.values()) entry.base = entry.last
        return 'working'
      }
      const failing = compared.filter(failed).length
      const agreeing = compared.length >= 2 ? failing >= 2 : failing === 1
      return agreeing || others > 0 ? 'failing' : 'none'
    },
    choose: (candidates, count) => {
      for (const proxyKey of seen.keys()) if (!candidates.includes(proxyKey)) seen.delete(proxyKey)
      const active = candidates.filter((proxyKey) => {
        const entry = seen.get(proxyKey)
        return entry !== undefined && failed(entry)
      })
      const rest = candidates.filter((proxyKey) => !active.includes(proxyKey))
      const chosen = active.slice(0, count)
      const start = rest.length === 0 ? 0 : turn % rest.length
      const more = [...rest.slice(start), ...rest.slice(0, start)].slice(0, count - chosen.length)
      // a proxy has to be looked at twice before its counters say anything
      if (more.every((proxyKey) => (seen.get(proxyKey)?.looks ?? 0) > 1)) turn += more.length
      return [...chosen, ...more]
    },
  }
}
