// What the proxies of one zone have seen since a mark, proxy by proxy and as a whole.
import { type SimulatedType, simulatedTypes } from './envoy-resource.ts'
import { type Percentiles, percentiles } from './percentiles.ts'
import type { ReceivedResponse, SimulatedProxy } from './simulated-proxy.ts'

/** The change a proxy has to see to count as reached. Absent members match nothing. */
export interface Expectation {
  /** A cluster with this connect timeout. */
  readonly connectTimeoutMs?: number
  /** A new or changed cluster whose name contains this. */
  readonly cluster?: string
  /** A load assignment whose name contains this, with `preferredEndpoints` of them. */
  readonly loadAssignment?: string
  readonly preferredEndpoints?: number
}

/** True when a response holds what is expected. */
export function meets(expected: Expectation, { type, resources }: Pick<ReceivedResponse, 'type' | 'resources'>): boolean {
  if (type === 'cluster') {
    for (const [name, { connectTimeoutMs }] of resources) {
      if (expected.connectTimeoutMs !== undefined && connectTimeoutMs === expected.connectTimeoutMs) return true
      if (expected.cluster !== undefined && name.includes(expected.cluster)) return true
    }
  }
  if (type === 'endpoint' && expected.loadAssignment !== undefined) {
    for (const [name, { preferredEndpoints }] of resources)
      if (name.includes(expected.loadAssignment) && preferredEndpoints === (expected.preferredEndpoints ?? 0)) return true
  }
  return false
}

export interface Counts {
  readonly responses: number
  readonly resources: number
  readonly removed: number
  /** Payload, names and versions of resources; not the frames around them. */
  readonly bytes: number
  readonly nacks: number
}

/** Times are ms since the mark. */
export interface FleetReport {
  readonly proxies: number
  readonly connected: number
  /** Streams lost since the fleet started. */
  readonly disconnects: number
  readonly counts: Counts
  readonly countsByType: Readonly<Record<SimulatedType, Counts>>
  /** Names of removed resources with how many proxies lost each; the first `removedNamesKept` of them. */
  readonly removedNames: Readonly<Record<string, number>>
  /** When sidecars met the expectation; probes and the ingress are not asked. */
  readonly reached: Percentiles
  /** When each proxy's current stream became ready, and complete. */
  readonly ready: Percentiles
  readonly complete: Percentiles
  /** The last response of any proxy. 0 when there was none. */
  readonly lastResponse: number
  /** How many proxies without an answered stream are in each state, with the error that ended their last stream. */
  readonly errors: Readonly<Record<string, number>>
}

/** Enough to see what is going on, however much goes. */
export const removedNamesKept = 20

type Tally = { -readonly [K in keyof Counts]: number }

/** One proxy with what it saw since the mark. */
export interface Observed {
  readonly proxy: SimulatedProxy
  /** Left out of `reached`. */
  readonly isAuxiliary: boolean
  readonly tallies: Map<SimulatedType, Tally>
  readonly removed: string[]
  reachedAt: number | undefined
}

/** A proxy under observation, with nothing seen yet. */
export function observed(proxy: SimulatedProxy, isAuxiliary: boolean): Observed {
  return { proxy, isAuxiliary, tallies: new Map(), removed: [], reachedAt: undefined }
}

/** Adds one response. */
export function note(seen: Observed, response: ReceivedResponse, expected: Expectation): void {
  let tally = seen.tallies.get(response.type)
  if (!tally) seen.tallies.set(response.type, (tally = emptyTally()))
  add(tally, {
    responses: 1,
    resources: response.resources.size,
    removed: response.removed.length,
    bytes: response.bytes,
    nacks: response.isRefused ? 1 : 0,
  })
  seen.removed.push(...response.removed.slice(0, Math.max(0, removedNamesKept - seen.removed.length)))
  if (seen.reachedAt === undefined && meets(expected, response)) seen.reachedAt = response.at
}

/** Forgets what was seen. */
export function forget(seen: Observed): void {
  seen.tallies.clear()
  seen.removed.length = 0
  seen.reachedAt = undefined
}

export interface Since {
  /** Monotonic ms of the mark. */
  readonly mark: number
  /** Monotonic ms of the last response, or undefined. */
  readonly lastResponse: number | undefined
}

/** The report of all proxies of a fleet. */
export function reportOf(all: readonly Observed[], { mark, lastResponse }: Since): FleetReport {
  const since = (times: readonly (number | undefined)[]): Percentiles =>
    percentiles(times.filter((at) => at !== undefined).map((at) => Math.max(0, at - mark)))
  const sum = emptyTally()
  const byType = { cluster: emptyTally(), endpoint: emptyTally(), secret: emptyTally(), listener: emptyTally(), route: emptyTally() }
  const errors = new Map<string, number>()
  const removedNames = new Map<string, number>()
  for (const { tallies, proxy, removed } of all) {
    for (const name of removed)
      if (removedNames.has(name) || removedNames.size < removedNamesKept) removedNames.set(name, (removedNames.get(name) ?? 0) + 1)
    for (const type of simulatedTypes) {
      const tally = tallies.get(type)
      if (!tally) continue
      add(byType[type], tally)
      add(sum, tally)
    }
    if (proxy.isConnected) continue
    const trouble = `${proxy.streamState}: ${proxy.lastError}`
    errors.set(trouble, (errors.get(trouble) ?? 0) + 1)
  }
  return {
    proxies: all.length,
    connected: all.filter(({ proxy }) => proxy.isConnected).length,
    disconnects: all.reduce((total, { proxy }) => total + proxy.disconnects, 0),
    counts: sum,
    countsByType: byType,
    removedNames: Object.fromEntries(removedNames),
    reached: since(all.filter((each) => !each.isAuxiliary).map((each) => each.reachedAt)),
    ready: since(all.map(({ proxy }) => proxy.readyAt)),
    complete: since(all.map(({ proxy }) => proxy.completeAt)),
    lastResponse: lastResponse === undefined ? 0 : Math.max(0, lastResponse - mark),
    errors: Object.fromEntries(errors),
  }
}

function emptyTally(): Tally {
  return { responses: 0, resources: 0, removed: 0, bytes: 0, nacks: 0 }
}

function add(to: Tally, from: Counts): void {
  to.responses += from.responses
  to.resources += from.resources
  to.removed += from.removed
  to.bytes += from.bytes
  to.nacks += from.nacks
}
