// A federation under measurement with a fleet of simulated proxies in each zone.
import type { Expectation, FleetReport } from '../../packages/testkit/src/fleet/fleet-report.ts'
import { type FleetProcess, spawnFleet } from '../../packages/testkit/src/fleet/fleet-process.ts'
import type { FleetState } from '../../packages/testkit/src/fleet/fleet.ts'
import { answeringIngress } from './answering-ingress.ts'
import type { Federation } from './federation.ts'
import { cpuSecondsOf, usageOf, type Usage } from './processes-usage.ts'
import { meshName } from './resources.ts'
import type { RunContext } from './run-context.ts'

export interface StageSize {
  readonly zones: number
  readonly sidecars: number
}

export interface FleetStage {
  readonly federation: Federation
  readonly size: StageSize
  /** Where things happen, and the zone that hears of it through global; the same in a federation of one zone. */
  readonly own: string
  readonly other: string
  fleet(zone: string): FleetProcess
  /** Where the zone's ingress is said to be; probes are answered there. */
  ingressPort(zone: string): number
  /** Starts the fleets' processes; their proxies start with `startProxies`. */
  spawnFleets(): void
  startProxies(): Promise<void>
  mark(expected?: Expectation): Promise<void>
  reports(): Promise<ReadonlyMap<string, FleetReport>>
  /** Zones whose proxies are all in that state in time. */
  waitFor(state: FleetState, timeoutMs: number, zones?: readonly string[]): Promise<ReadonlySet<string>>
  quiet(ms: number, timeoutMs?: number): Promise<void>
  /** Marks, acts, and waits until every sidecar of all zones has seen what is expected, and things are quiet. */
  change(what: Change): Promise<Seen>
  /** Usage by control plane. */
  usage(): ReadonlyMap<string, Usage>
  /** CPU seconds all fleets have spent. */
  fleetCpuSeconds(): number
  /** Keeps the CPU time of a process that is about to end in the account of this benchmark's own work. */
  noteSpent(controlPlane: string): void
  stop(): Promise<void>
}

export interface Change {
  readonly expected: Expectation
  readonly act: () => Promise<unknown>
  /** How long nothing may arrive before the next change; default 2 s. */
  readonly quietMs?: number
  readonly timeoutMs?: number
}

export interface Seen {
  readonly reports: ReadonlyMap<string, FleetReport>
  /** Every sidecar of every zone has seen the change. */
  readonly isComplete: boolean
}

/** Chooses ports; starts nothing yet. */
export async function createFleetStage(context: RunContext, size: StageSize, store: 'memory' | 'default'): Promise<FleetStage> {
  const { options, session } = context
  const zones = Array.from({ length: size.zones }, (_, index) => `zone-${index + 1}`)
  const federation = await context.federation(zones, store)
  const ingresses = new Map(await Promise.all(zones.map(async (zone) => [zone, await answeringIngress()] as const)))
  const fleets = new Map<string, FleetProcess>()
  const fleet = (zone: string): FleetProcess => {
    const found = fleets.get(zone)
    if (!found) throw new Error(`no fleet in ${zone}`)
    return found
  }
  const everywhere = async <T>(ask: (fleet: FleetProcess) => Promise<T>): Promise<ReadonlyMap<string, T>> =>
    new Map(await Promise.all([...fleets].map(async ([zone, each]): Promise<[string, T]> => [zone, await ask(each)])))
  const stopOnInterrupt = (): void => {
    for (const each of fleets.values()) void each.stop()
  }
  session.signal.addEventListener('abort', stopOnInterrupt)

  const stage: FleetStage = {
    federation,
    size,
    own: zones[0] ?? '',
    other: zones.at(-1) ?? '',
    fleet,
    ingressPort: (zone) => ingresses.get(zone)?.port ?? 0,
    spawnFleets: () => {
      session.signal.throwIfAborted()
      const { services, reachable, probes } = options
      const plan = { mesh: meshName, zones, services, reachable, probes }
      for (const zone of zones) {
        const settings = { plan, zone, address: federation.dataplaneServer(zone), api: federation.api(zone), sidecars: size.sidecars }
        fleets.set(zone, spawnFleet(settings))
      }
    },
    startProxies: async () => void (await everywhere((each) => each.start())),
    mark: async (expected = {}) => void (await everywhere((each) => each.mark(expected))),
    reports: () => everywhere((each) => each.report()),
    waitFor: async (state, timeoutMs, of = zones) => {
      const done = await Promise.all(of.map(async (zone) => ((await fleet(zone).waitFor(state, timeoutMs)) ? [zone] : [])))
      return new Set(done.flat())
    },
    quiet: async (ms, timeoutMs = options.patienceSeconds * 1000) => void (await everywhere((each) => each.quiet(ms, timeoutMs))),
    change: async ({ expected, act, quietMs = 2000, timeoutMs = 60_000 }) => {
      // a control plane that works at intervals is met at any point of them
      await context.sleep(Math.random() * 1000)
      await stage.mark(expected)
      await act()
      const reached = await stage.waitFor('reached', timeoutMs)
      await stage.quiet(quietMs, timeoutMs)
      const reports = await stage.reports()
      const isComplete = reached.size === zones.length
      context.count({ nacks: nacksOf(reports), isComplete })
      return { reports, isComplete }
    },
    usage: () => {
      const usage = usageOf(federation.controlPlanes.map((name) => federation.pid(name)))
      return new Map(federation.controlPlanes.map((name) => [name, usage.get(federation.pid(name)) ?? { cpuSeconds: 0, rssBytes: 0 }]))
    },
    // a fleet is in this process's group, so it is asked by its own id
    fleetCpuSeconds: () => [...fleets.values()].reduce((sum, { pid }) => sum + (pid === undefined ? 0 : cpuSecondsOf(pid)), 0),
    noteSpent: (name) => {
      session.spentCpuSeconds += stage.usage().get(name)?.cpuSeconds ?? 0
    },
    stop: async () => {
      session.signal.removeEventListener('abort', stopOnInterrupt)
      for (const name of federation.controlPlanes) stage.noteSpent(name)
      session.spentCpuSeconds += stage.fleetCpuSeconds()
      await Promise.all([...fleets.values()].map((each) => each.stop()))
      await federation.stop()
      for (const ingress of ingresses.values()) ingress.close()
    },
  }
  return stage
}

/** Responses refused by any proxy of any zone. */
export function nacksOf(reports: ReadonlyMap<string, FleetReport>): number {
  return [...reports.values()].reduce((total, { counts }) => total + counts.nacks, 0)
}

/** How far the proxies of each zone are, for whoever wonders why one is not. */
export function stateOf(reports: ReadonlyMap<string, FleetReport>): string {
  const zones = [...reports].map(([zone, { proxies, connected, ready, complete, reached, disconnects, errors }]) => {
    const counts = `${connected} connected, ${ready.count} ready, ${complete.count} complete, ${reached.count} reached, ${disconnects} disconnects`
    return `${zone}: of ${proxies}: ${counts}${Object.keys(errors).length > 0 ? `; ${JSON.stringify(errors)}` : ''}`
  })
  return zones.join('; ')
}
