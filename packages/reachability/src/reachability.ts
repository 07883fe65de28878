// Watches the way from this zone to the ingresses of the others, and tells the graph which of them traffic should avoid. No evidence means that
// nothing is moved: what cannot be asked changes nothing, and neither does what global thinks of a zone.
import { messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, type Timer, timestamp } from '@weft/foundation/time'
import type { Graph } from '@weft/graph'
import type { ReachabilityEntry, ReachabilityState } from '@weft/kds'
import { defaultUnreachableRule, type MeshFacts, placeOf, type RemoteIngress } from '@weft/mesh'
import { hostCounters } from './host-counters.ts'
import type { Probe } from './probe.ts'
import { dueIn, type IngressVerdict, probed, unjudged, witnessed } from './verdict.ts'
import { createWitnesses, type Witnesses } from './witnesses.ts'

/** Between two probes of one ingress. */
export const probeIntervalMs = 5_000
/** Between two looks at the statistics of proxies, while a probe fails. */
export const witnessIntervalMs = 5_000
/** Proxies asked at a look, for one ingress. */
export const witnessCount = 5

export interface ReachabilityOptions {
  readonly graph: Graph
  readonly mesh: Pick<MeshFacts, 'remoteIngresses' | 'unreachableRules' | 'zoneReachability' | 'proxyFacts' | 'loadAssignments'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  readonly probe: Probe
  /** `/clusters?format=json` of the Envoy of a connected proxy. */
  clusters(proxyKey: string): Promise<string>
  isConnected(proxyKey: string): boolean
  /** How many other replicas of this control plane have failing probes of an ingress now; none when absent. */
  failingElsewhere?(ingress: { readonly address: string; readonly port: number }): number
}

export interface Reachability extends Component {
  /** This zone's row of the matrix, by zone and address. */
  row(): readonly ReachabilityEntry[]
}

interface Watched {
  readonly zone: string
  readonly address: string
  readonly port: number
  readonly place: string
  /** Meshes that list it. */
  readonly meshes: Set<string>
  verdict: IngressVerdict
  /** Of the state that is shown. */
  state: ReachabilityState
  stateAt: number
  roundTripMs: number | undefined
  answers: boolean
  problem: string | undefined
  witnesses: Witnesses
  timer: Timer | undefined
  due: Timer | undefined
  readonly moved: Set<string>
}

/** Watches nothing before `start`. */
export function createReachability(options: ReachabilityOptions): Reachability {
  const { graph, mesh, clock, probe } = options
  const log = options.log.child({ component: 'reachability' })
  const watched = new Map<string, Watched>()
  let stops: readonly (() => void)[] = []
  let isRunning = false
  let witnessTimer: Timer | undefined

  const settle = (target: Watched): void => {
    const { verdict } = target
    const state: ReachabilityState = !verdict.probed
      ? 'unknown'
      : verdict.unreachable
        ? 'unreachable'
        : verdict.failures > 0
          ? 'failing'
          : 'reachable'
    if (state !== target.state) {
      const fields = { zone: target.zone, address: `${target.address}:${target.port}`, state, reason: target.problem }
      if (state === 'unreachable') log.warn(fields, 'zone ingress cannot be reached')
      else log.info(fields, 'zone ingress state changed')
      target.state = state
      target.stateAt = clock.now()
    }
    move(target)
  }
  /** Brings the fact to what the rules of the meshes say now, and looks again when the next one falls due. */
  const move = (target: Watched): void => {
    target.due?.cancel()
    target.due = undefined
    let nextMs = Number.POSITIVE_INFINITY
    const before = [...target.moved].join()
    target.moved.clear()
    for (const name of [...target.meshes].sort()) {
      const { action, afterMs } = mesh.unreachableRules.get(name) ?? defaultUnreachableRule
      const dueMs = action === 'keep' ? undefined : dueIn(target.verdict, afterMs, clock.monotonic())
      if (dueMs === 0) target.moved.add(name)
      else if (dueMs !== undefined) nextMs = Math.min(nextMs, dueMs)
    }
    if (nextMs !== Number.POSITIVE_INFINITY) target.due = clock.after(nextMs, () => move(target))
    if ([...target.moved].join() !== before)
      log.warn(
        { zone: target.zone, address: `${target.address}:${target.port}`, meshes: [...target.moved] },
        'traffic to a zone ingress moved',
      )
    publish(target)
  }
  const publish = ({ zone, meshes }: Watched): void => {
    const facts = [...meshes].map((name) => {
      const rule = mesh.unreachableRules.get(name) ?? defaultUnreachableRule
      const unreachable = [...watched.values()].filter((other) => other.zone === zone && other.moved.has(name)).map(({ place }) => place)
      const key = `${name}/${zone}`
      return {
        key,
        fact: rule.action === 'keep' || unreachable.length === 0 ? undefined : { action: rule.action, unreachable: unreachable.sort() },
      }
    })
    const isNews = facts.some(({ key, fact }) => fact !== undefined || mesh.zoneReachability.get(key) !== undefined)
    if (!isNews) return
    graph.transact('zone reachability', () => {
      for (const { key, fact } of facts) {
        if (fact) mesh.zoneReachability.set(key, fact)
        else mesh.zoneReachability.delete(key)
      }
    })
  }

  const probeNow = async (target: Watched): Promise<void> => {
    const { address, port } = target
    const result = await probe({ address, port, expectsAnswer: target.answers })
    if (!isRunning || watched.get(target.place) !== target) return
    target.verdict = probed(target.verdict, result.ok, clock.monotonic())
    if (result.ok) {
      target.roundTripMs = result.roundTripMs
      target.answers = result.answered
      target.problem = undefined
      target.witnesses = createWitnesses()
    } else {
      target.problem = result.problem
      witnessTimer ??= clock.after(0, lookRound)
    }
    settle(target)
    target.timer = clock.after(probeIntervalMs, () => void probeNow(target))
  }

  /** One look at the proxies for every ingress whose probes fail; goes on while there is any. */
  const lookRound = (): void => {
    void look().then(() => {
      witnessTimer = undefined
      if (isRunning && failing().length > 0) witnessTimer = clock.after(witnessIntervalMs, lookRound)
    })
  }
  const failing = (): readonly Watched[] => [...watched.values()].filter(({ verdict }) => verdict.failures > 0)
  const look = async (): Promise<void> => {
    const targets = failing()
    const asked = new Map<string, Watched[]>()
    for (const target of targets) {
      for (const proxyKey of target.witnesses.choose(usersOf(target), witnessCount)) {
        asked.set(proxyKey, [...(asked.get(proxyKey) ?? []), target])
      }
    }
    await Promise.all(
      [...asked].map(async ([proxyKey, places]) => {
        try {
          const counters = hostCounters(await options.clusters(proxyKey), httpClusters(proxyKey))
          for (const { witnesses, place } of places) {
            const found = counters.get(place)
            if (found) witnesses.saw(proxyKey, found)
          }
        } catch (error) {
          log.debug({ proxy: proxyKey, err: messageOf(error) }, 'statistics of a proxy could not be read')
        }
      }),
    )
    if (!isRunning) return
    for (const target of targets) {
      if (watched.get(target.place) !== target) continue
      const witness = target.witnesses.verdict(options.failingElsewhere?.(target))
      target.verdict = witnessed(target.verdict, witness, clock.monotonic())
      // another kind of ingress may have taken the address: it need not answer
      if (witness === 'working') target.answers = false
      settle(target)
    }
  }
  /** Connected proxies with endpoints behind an ingress. */
  const usersOf = ({ place }: Watched): readonly string[] => {
    const ids = new Set<string>()
    for (const [id, { endpoints }] of mesh.loadAssignments.entries())
      if (endpoints.some((endpoint) => placeOf(endpoint) === place)) ids.add(id)
    if (ids.size === 0) return []
    const users: string[] = []
    for (const [key, facts] of mesh.proxyFacts.entries()) {
      if (facts.outbounds.some(({ destination }) => ids.has(destination.id)) && options.isConnected(key)) users.push(key)
    }
    return users.sort()
  }
  const httpClusters = (proxyKey: string): ((cluster: string) => boolean) => {
    const outbounds = mesh.proxyFacts.get(proxyKey)?.outbounds ?? []
    const http = new Set(outbounds.filter(({ destination }) => destination.protocol !== 'tcp').map(({ name }) => name))
    return (cluster) => http.has(cluster)
  }

  const add = (ingress: RemoteIngress): void => {
    const place = placeOf(ingress)
    let target = watched.get(place)
    if (!target) {
      const { zone, address, port } = ingress
      target = {
        zone,
        address,
        port,
        place,
        meshes: new Set(),
        verdict: unjudged,
        state: 'unknown',
        stateAt: clock.now(),
        roundTripMs: undefined,
        answers: false,
        problem: undefined,
        witnesses: createWitnesses(),
        timer: undefined,
        due: undefined,
        moved: new Set(),
      }
      watched.set(place, target)
      void probeNow(target)
    }
    target.meshes.add(ingress.mesh)
    move(target)
  }
  const remove = (ingress: RemoteIngress): void => {
    const target = watched.get(placeOf(ingress))
    if (!target || isListed(ingress)) return
    target.moved.delete(ingress.mesh)
    publish(target)
    target.meshes.delete(ingress.mesh)
    if (target.meshes.size > 0) return
    forget(target)
    watched.delete(target.place)
  }
  /** Two MeshZoneAddresses of a mesh may name one ingress. */
  const isListed = (ingress: RemoteIngress): boolean => {
    for (const [, other] of mesh.remoteIngresses.entries())
      if (other.mesh === ingress.mesh && other.zone === ingress.zone && placeOf(other) === placeOf(ingress)) return true
    return false
  }
  const forget = (target: Watched): void => {
    target.timer?.cancel()
    target.due?.cancel()
  }
  showMetrics(options.metrics, watched)

  return {
    name: 'reachability',
    start: async () => {
      isRunning = true
      for (const [, ingress] of mesh.remoteIngresses.entries()) add(ingress)
      stops = [
        mesh.remoteIngresses.onCommit((changes) => {
          // what is written during a commit can only be read after it
          queueMicrotask(() => {
            if (!isRunning) return
            for (const { before } of changes) if (before) remove(before)
            for (const { after } of changes) if (after) add(after)
          })
        }),
        mesh.unreachableRules.onCommit(() =>
          queueMicrotask(() => {
            if (isRunning) for (const target of watched.values()) move(target)
          }),
        ),
      ]
    },
    stop: async () => {
      isRunning = false
      for (const stop of stops) stop()
      witnessTimer?.cancel()
      for (const target of watched.values()) forget(target)
      watched.clear()
    },
    row: () =>
      [...watched.values()]
        .map(
          ({ zone, address, port, state, stateAt, roundTripMs, problem, moved }): ReachabilityEntry => ({
            zone,
            address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
            state,
            since: timestamp(stateAt),
            ...(roundTripMs === undefined ? {} : { roundTripMs: Math.round(roundTripMs) }),
            ...(problem === undefined ? {} : { problem }),
            movedMeshes: [...moved].sort(),
          }),
        )
        .sort((a, b) => compare(a.zone, b.zone) || compare(a.address, b.address)),
  }
}

const states: readonly ReachabilityState[] = ['reachable', 'failing', 'unreachable', 'unknown']

function showMetrics(metrics: Metrics | undefined, watched: ReadonlyMap<string, Watched>): void {
  const counts = metrics?.gauge('zone_ingresses', 'Ingresses of other zones by how this zone reaches them.', ['state'], () => {
    for (const state of states) counts?.set([...watched.values()].filter((target) => target.state === state).length, { state })
    return undefined
  })
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
