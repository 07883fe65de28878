// What an edit of a policy costs: how many proxies are built, what is pushed, how long it takes; beside making everything anew.
import { http } from '../../apps/demo/src/rest.ts'
import { median } from '../../packages/testkit/src/fleet/percentiles.ts'
import { createFleetStage, type FleetStage, type Seen } from './fleet-stage.ts'
import type { FigureId } from './figures.ts'
import { measureMerging } from './policy-merging.ts'
import { benchPolicies, noOps, oneProxyTimeout } from './policy-resources.ts'
import { connectTimeout } from './resources.ts'
import type { RunContext } from './run-context.ts'
import { measureCold, start } from './simulated-steps.ts'
import { over, told } from './spread.ts'

const policyCount = 50
/** Every benchmark has a permission and a timeout for the whole mesh. */
const standingPolicies = 2
const kib = 1024

/** One zone of `dps` proxies and `services` services; the merging of as many policies first, in this process. */
export async function measurePolicies(context: RunContext): Promise<void> {
  const { options } = context
  await context.attempt('policies, merging', async () => {
    const size = { proxies: options.dps, services: options.services, policies: policyCount }
    const { matchMs, mergeMs, cpuMs, sets } = await measureMerging(size)
    context.progress(
      `policies: matched in ${matchMs.toFixed(0)} ms, ${sets} sets merged in ${mergeMs.toFixed(0)} ms, CPU ${cpuMs.toFixed(0)} ms`,
    )
    context.put('policies.cold', matchMs + mergeMs)
    context.put('policies.coldCpu', cpuMs)
  })
  const stage = await createFleetStage(context, { zones: 1, sidecars: options.dps }, 'memory')
  try {
    await context.attempt('policies', async () => {
      await start(context, stage)
      for (const policy of benchPolicies(policyCount - standingPolicies - 1, options.services)) await stage.federation.put('global', policy)
      await stage.federation.put('global', noOps.before)
      await measureFull(context, stage)
      await measureAll(context, stage)
      await measureOne(context, stage)
      await measureNothing(context, stage)
    })
  } finally {
    await stage.stop()
  }
}

/** What happened in the zone between two looks. */
interface Cost {
  /** Undefined for a control plane that does not count it. */
  readonly rebuilds: number | undefined
  readonly resources: number
  readonly kib: number
  readonly cpuSeconds: number
}

async function costOf(stage: FleetStage, act: () => Promise<unknown>): Promise<Cost> {
  const [before, usage] = [await rebuildsSoFar(stage), stage.usage().get(stage.own)]
  await act()
  const [after, used, report] = [await rebuildsSoFar(stage), stage.usage().get(stage.own), (await stage.reports()).get(stage.own)]
  return {
    rebuilds: before === undefined || after === undefined ? undefined : after - before,
    resources: report?.counts.resources ?? 0,
    kib: (report?.counts.bytes ?? 0) / kib,
    cpuSeconds: (used?.cpuSeconds ?? 0) - (usage?.cpuSeconds ?? 0),
  }
}

/** Proxies built since the zone's control plane started. */
async function rebuildsSoFar({ federation, own }: FleetStage): Promise<number | undefined> {
  const { status, text } = await http('GET', federation.metrics(own))
  const [, count] = (status === 200 && /^proxy_build_seconds_count (\d+)$/m.exec(text)) || []
  return count === undefined ? undefined : Number(count)
}

function putCosts(context: RunContext, as: 'full' | 'all' | 'one', costs: readonly Cost[]): void {
  const put = (id: FigureId, of: (cost: Cost) => number | undefined): void =>
    context.put(id, median(costs.map(of).filter((value) => value !== undefined)))
  put(`policies.${as}Rebuilds`, ({ rebuilds }) => rebuilds)
  put(`policies.${as}Resources`, ({ resources }) => resources)
  put(`policies.${as}Bytes`, (cost) => cost.kib)
  put(`policies.${as}Cpu`, ({ cpuSeconds }) => cpuSeconds)
}

async function measureFull(context: RunContext, stage: FleetStage): Promise<void> {
  const cost = await costOf(stage, () => measureCold(context, stage, 'policies'))
  const report = (await stage.reports()).get(stage.own)
  context.put('policies.fullLast', report?.complete.max)
  putCosts(context, 'full', [cost])
}

async function measureAll(context: RunContext, stage: FleetStage): Promise<void> {
  const rounds: Seen[] = []
  const costs: Cost[] = []
  for (let round = 0; round < context.options.rounds; round++) {
    const ms = 4000 + round
    const cost = await costOf(stage, async () => {
      const act = (): Promise<void> => stage.federation.put('global', connectTimeout(ms))
      rounds.push(await stage.change({ expected: { connectTimeoutMs: ms }, act }))
    })
    costs.push(cost)
    const [seen] = rounds.slice(-1)
    if (seen) context.progress(`policies: edit for all ${round + 1}: ${told(stage, seen)}; ${inWords(cost)}`)
  }
  context.put(
    'policies.allLast',
    over(rounds, stage.own, ({ max }) => max),
  )
  context.put(
    'policies.allP50',
    over(rounds, stage.own, ({ p50 }) => p50),
  )
  putCosts(context, 'all', costs)
}

/** As the fleet names its first sidecar. */
const oneProxy = ({ own }: FleetStage): string => `svc-0-${own}-0`

async function measureOne(context: RunContext, stage: FleetStage): Promise<void> {
  const costs: Cost[] = []
  for (let round = 0; round < context.options.rounds; round++) {
    const cost = await costOf(stage, async () => {
      await stage.mark()
      await stage.federation.put('global', oneProxyTimeout(oneProxy(stage), 6000 + round))
      await stage.quiet(quietMs)
    })
    costs.push(cost)
    context.progress(`policies: edit for one ${round + 1}: ${inWords(cost)}`)
    if (cost.resources === 0) throw new Error(`an edit for ${oneProxy(stage)} pushed nothing`)
  }
  putCosts(context, 'one', costs)
}

/** Long enough for an edit at global to reach every proxy of the zone. */
const quietMs = 3000

async function measureNothing(context: RunContext, stage: FleetStage): Promise<void> {
  let [resources, rebuilds]: [number, number | undefined] = [0, undefined]
  for (const [name, policy] of noOps.edits) {
    const cost = await costOf(stage, async () => {
      await stage.mark()
      await stage.federation.put('global', policy)
      await stage.quiet(quietMs)
    })
    context.progress(`policies: edit of nothing, ${name}: ${inWords(cost)}`)
    resources += cost.resources
    if (cost.rebuilds !== undefined) rebuilds = (rebuilds ?? 0) + cost.rebuilds
  }
  context.put('policies.noopResources', resources)
  context.put('policies.noopRebuilds', rebuilds)
}

function inWords({ rebuilds, resources, kib: size, cpuSeconds }: Cost): string {
  return `${rebuilds ?? '?'} proxies built, ${resources} resources, ${size.toFixed(0)} KiB, CPU ${cpuSeconds.toFixed(2)} s`
}
