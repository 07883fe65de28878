// The steps that need simulated proxies, in the order they build on each other.
import { http } from '../../apps/demo/src/rest.ts'
import type { FleetReport } from '../../packages/testkit/src/fleet/fleet-report.ts'
import { median } from '../../packages/testkit/src/fleet/percentiles.ts'
import { createFleetStage, type FleetStage, nacksOf, type Seen, stateOf } from './fleet-stage.ts'
import type { Step } from './options.ts'
import { commandLineOf, type Usage } from './processes-usage.ts'
import { connectTimeout, meshName } from './resources.ts'
import { measureRestart } from './restart-step.ts'
import type { RunContext } from './run-context.ts'
import { over, putSpread, told, worst, worstRound } from './spread.ts'

const kib = 1024
const mib = 1024 * 1024

/** One federation on memory stores from its start to a killed zone control plane. */
export async function measureSimulated(context: RunContext, wanted: ReadonlySet<Step>): Promise<void> {
  const { options } = context
  const stage = await createFleetStage(context, { zones: options.zones, sidecars: options.dps }, 'memory')
  try {
    if (!(await context.attempt('start', () => start(context, stage)))) return
    const needsFleet = [...wanted].some((step) => step !== 'start' && step !== 'empty')
    let empty: ReadonlyMap<string, Usage> | undefined
    if (wanted.has('empty') || wanted.has('idle'))
      await context.attempt('empty', async () => void (empty = await measureEmpty(context, stage)))
    if (!needsFleet || !(await context.attempt('cold', () => measureCold(context, stage, 'cold')))) return
    if (wanted.has('idle')) await context.attempt('idle', () => measureIdle(context, stage, empty))
    if (wanted.has('edits')) await context.attempt('edits', () => measureEdits(context, stage))
    if (wanted.has('services') || wanted.has('endpoints') || wanted.has('disconnect'))
      await context.attempt('services', () => measureServices(context, stage))
    if (wanted.has('endpoints')) await context.attempt('endpoints', () => measureEndpoints(context, stage))
    if (wanted.has('disconnect')) await context.attempt('disconnect', () => measureDisconnect(context, stage))
    if (wanted.has('restart')) await context.attempt('restart', () => measureRestart(context, stage, 'restart'))
  } finally {
    await stage.stop()
  }
}

/** A federation on the control plane's default store, only to kill a zone control plane in it. */
export async function measureEmbedded(context: RunContext): Promise<void> {
  const stage = await createFleetStage(context, { zones: context.options.zones, sidecars: context.options.dps }, 'default')
  try {
    await context.attempt('embedded', async () => {
      await start(context, stage)
      await measureCold(context, stage, 'embedded')
      await measureRestart(context, stage, 'embedded')
    })
  } finally {
    await stage.stop()
  }
}

/** One zone with many proxies. */
export async function measureLarge(context: RunContext): Promise<void> {
  const stage = await createFleetStage(context, { zones: 1, sidecars: context.options.largeDps }, 'memory')
  try {
    await context.attempt('large', async () => {
      await start(context, stage)
      await measureCold(context, stage, 'large')
      await context.sleep(context.options.settleSeconds * 1000)
      const { cpu, after } = await idle(context, stage)
      context.put('large.cpu', cpu.get(stage.own))
      context.put('large.rss', (after.get(stage.own)?.rssBytes ?? 0) / mib)
      const rounds = await editRounds(context, stage, 'large')
      context.put(
        'large.editP50',
        over(rounds, stage.own, ({ p50 }) => p50),
      )
      context.put(
        'large.editLast',
        over(rounds, stage.own, ({ max }) => max),
      )
    })
  } finally {
    await stage.stop()
  }
}

export async function start(context: RunContext, { federation, ingressPort }: FleetStage): Promise<void> {
  federation.start('global')
  const answered = await federation.answers('global')
  if (/\/src\/main\.ts\b/.test(commandLineOf(federation.pid('global')))) {
    const note = `${context.controlPlane.label} ran from sources edited since the last build: slower to start, and larger`
    if (!context.session.notes.has(note)) context.progress(note)
    context.session.notes.add(note)
  }
  const online: number[] = []
  for (const [index, zone] of federation.zones.entries()) {
    federation.start(zone)
    online.push(await federation.online(index + 1))
  }
  context.progress(
    `start: global API after ${answered.toFixed(0)} ms; zones Online after ${online.map((ms) => ms.toFixed(0)).join(', ')} ms`,
  )
  // the first federation's start is the figure; later ones start on a machine busy with what came before
  context.putFirst('start.global', answered)
  context.putFirst('start.online', Math.max(...online))
  await federation.writeMesh()
  for (const zone of federation.zones) await federation.writeZone(zone, ingressPort(zone))
}

interface Idle {
  /** Percent of one core, by control plane. */
  readonly cpu: ReadonlyMap<string, number>
  readonly after: ReadonlyMap<string, Usage>
}

async function idle({ options, sleep }: RunContext, stage: FleetStage): Promise<Idle> {
  const before = stage.usage()
  const start = performance.now()
  await sleep(options.idleSeconds * 1000)
  const after = stage.usage()
  const seconds = (performance.now() - start) / 1000
  const cpu = stage.federation.controlPlanes.map((name): [string, number] => [
    name,
    (((after.get(name)?.cpuSeconds ?? 0) - (before.get(name)?.cpuSeconds ?? 0)) / seconds) * 100,
  ])
  return { cpu: new Map(cpu), after }
}

async function measureEmpty(context: RunContext, stage: FleetStage): Promise<ReadonlyMap<string, Usage>> {
  context.progress(`empty: idle for ${context.options.idleSeconds} s`)
  await context.sleep(context.options.settleSeconds * 1000)
  const { cpu, after } = await idle(context, stage)
  context.put(
    'empty.zoneRss',
    worst(stage, (zone) => (after.get(zone)?.rssBytes ?? 0) / mib),
  )
  context.put(
    'empty.zoneCpu',
    worst(stage, (zone) => cpu.get(zone) ?? 0),
  )
  context.put('empty.globalRss', (after.get('global')?.rssBytes ?? 0) / mib)
  return after
}

export async function measureCold(
  context: RunContext,
  stage: FleetStage,
  as: 'cold' | 'embedded' | 'large' | 'federation' | 'policies',
): Promise<void> {
  const { options } = context
  const total = stage.size.sidecars + 1
  context.progress(`${as}: ${stage.size.zones} x ${stage.size.sidecars} proxies and an ingress each start at once`)
  stage.spawnFleets()
  // the fleets' own processes are up before the proxies' time starts
  await stage.mark()
  const before = stage.usage()
  const fleetBefore = stage.fleetCpuSeconds()
  await stage.startProxies()
  const complete = await whileTelling(context, { stage, as, since: before }, stage.waitFor('complete', options.patienceSeconds * 1000))
  await stage.quiet(8000)
  const reports = await stage.reports()
  const after = stage.usage()
  const isComplete = complete.size === stage.size.zones
  context.count({ nacks: nacksOf(reports), isComplete })
  const finished = [...reports.values()].reduce((sum, report) => sum + report.complete.count, 0)
  const last = worst(stage, (zone) => reports.get(zone)?.complete.max ?? 0)
  const ready = worst(stage, (zone) => reports.get(zone)?.ready.max ?? 0)
  const disconnects = [...reports.values()].reduce((sum, report) => sum + report.disconnects, 0)
  context.progress(
    `${as}: ${finished} of ${total * stage.size.zones} proxies complete, the last ready after ${ready.toFixed(0)} and complete after ${last.toFixed(0)} ms; NACKs ${nacksOf(reports)}; disconnects ${disconnects}`,
  )
  if (as === 'large') context.put('large.complete', isComplete ? last : undefined)
  if (as === 'cold') {
    context.put('cold.complete', isComplete ? last : undefined)
    context.put(
      'cold.completeP50',
      worst(stage, (zone) => reports.get(zone)?.complete.p50 ?? 0),
    )
    context.put(
      'cold.responses',
      worst(stage, (zone) => (reports.get(zone)?.counts.responses ?? 0) / total),
    )
    context.put(
      'cold.bytes',
      worst(stage, (zone) => (reports.get(zone)?.counts.bytes ?? 0) / total / kib),
    )
    context.put(
      'cold.zoneCpu',
      worst(stage, (zone) => (after.get(zone)?.cpuSeconds ?? 0) - (before.get(zone)?.cpuSeconds ?? 0)),
    )
    context.put('cold.fleetCpu', stage.fleetCpuSeconds() - fleetBefore)
    context.put('cold.unfinished', total * stage.size.zones - finished)
  }
  if (!isComplete) {
    throw new Error(`not every proxy was complete after ${options.patienceSeconds} s; ${stateOf(reports)}`)
  }
}

const tellEveryMs = 15_000

/** Says how far a fleet is while something is waited for, and what that has cost so far. */
async function whileTelling<T>(
  context: RunContext,
  about: { readonly stage: FleetStage; readonly as: string; readonly since: ReadonlyMap<string, Usage> },
  wait: Promise<T>,
): Promise<T> {
  const { stage, as, since } = about
  const startedAt = performance.now()
  const fleetsBefore = stage.fleetCpuSeconds()
  let isOver = false
  const over = wait.finally(() => (isOver = true))
  for (;;) {
    await Promise.race([over, context.sleep(tellEveryMs)])
    if (isOver) return over
    const reports = [...(await stage.reports()).values()]
    const usage = stage.usage()
    const spent = stage.federation.controlPlanes.map(
      (name) => [name, (usage.get(name)?.cpuSeconds ?? 0) - (since.get(name)?.cpuSeconds ?? 0)] as const,
    )
    const total = (of: (report: FleetReport) => number): number => reports.reduce((sum, report) => sum + of(report), 0)
    context.progress(
      `${as}: after ${((performance.now() - startedAt) / 1000).toFixed(0)} s of ${total((r) => r.proxies)} proxies ` +
        `${total((r) => r.connected)} connected, ${total((r) => r.ready.count)} ready, ${total((r) => r.complete.count)} complete; CPU seconds: ` +
        `${spent.map(([name, seconds]) => `${name} ${seconds.toFixed(0)}`).join(', ')}, fleets ${(stage.fleetCpuSeconds() - fleetsBefore).toFixed(0)}`,
    )
  }
}

async function measureIdle(context: RunContext, stage: FleetStage, empty: ReadonlyMap<string, Usage> | undefined): Promise<void> {
  const { options, progress } = context
  progress(`idle: ${options.idleSeconds} s with all proxies connected`)
  await context.sleep(options.settleSeconds * 1000)
  await stage.mark()
  const { cpu, after } = await idle(context, stage)
  const reports = await stage.reports()
  const grown = (name: string, proxies: number): number | undefined =>
    empty && ((after.get(name)?.rssBytes ?? 0) - (empty.get(name)?.rssBytes ?? 0)) / proxies / kib
  context.put(
    'idle.zoneCpu',
    worst(stage, (zone) => cpu.get(zone) ?? 0),
  )
  context.put(
    'idle.responses',
    [...reports.values()].reduce((sum, { counts }) => sum + counts.responses, 0),
  )
  context.put(
    'idle.zoneRss',
    worst(stage, (zone) => (after.get(zone)?.rssBytes ?? 0) / mib),
  )
  if (empty)
    context.put(
      'idle.perProxy',
      worst(stage, (zone) => grown(zone, options.dps) ?? 0),
    )
  context.put('idle.globalPerProxy', grown('global', options.dps * stage.size.zones))
  progress(`idle: zone CPU ${stage.federation.zones.map((zone) => `${(cpu.get(zone) ?? 0).toFixed(2)} %`).join(', ')}`)
}

async function editRounds(context: RunContext, stage: FleetStage, as: string): Promise<readonly Seen[]> {
  const rounds: Seen[] = []
  for (let round = 0; round < context.options.rounds; round++) {
    const ms = 3000 + round
    const act = (): Promise<void> => stage.federation.put('global', connectTimeout(ms))
    const seen = await stage.change({ expected: { connectTimeoutMs: ms }, act })
    rounds.push(seen)
    context.progress(`${as}: policy edit ${round + 1}: ${told(stage, seen)}`)
  }
  return rounds
}

async function measureEdits(context: RunContext, stage: FleetStage): Promise<void> {
  const before = stage.usage()
  const fleetBefore = stage.fleetCpuSeconds()
  const rounds = await editRounds(context, stage, 'edits')
  const after = stage.usage()
  const total = stage.size.sidecars + 1
  const { own, other } = stage
  context.put(
    'edits.otherP50',
    over(rounds, other, ({ p50 }) => p50),
  )
  context.put(
    'edits.otherLast',
    over(rounds, other, ({ max }) => max),
  )
  context.put('edits.otherWorst', worstRound(rounds, other))
  context.put(
    'edits.ownP50',
    over(rounds, own, ({ p50 }) => p50),
  )
  context.put(
    'edits.ownLast',
    over(rounds, own, ({ max }) => max),
  )
  const each = (of: (report: FleetReport) => number): number | undefined =>
    median(
      rounds.flatMap(({ reports }) => [reports.get(other)].filter((report) => report !== undefined).map((report) => of(report) / total)),
    )
  const bytes = each(({ counts }) => counts.bytes)
  context.put('edits.bytes', bytes === undefined ? undefined : bytes / kib)
  context.put(
    'edits.responses',
    each(({ counts }) => counts.responses),
  )
  const cpu = worst(stage, (zone) => (after.get(zone)?.cpuSeconds ?? 0) - (before.get(zone)?.cpuSeconds ?? 0))
  context.put('edits.fleetCpu', (stage.fleetCpuSeconds() - fleetBefore) / context.options.rounds)
  context.put('edits.zoneCpu', cpu / context.options.rounds)
}

async function measureServices(context: RunContext, stage: FleetStage): Promise<void> {
  const rounds: Seen[] = []
  for (let probe = 0; probe < context.options.probes; probe++) {
    const name = `probe-${probe}`
    const act = (): Promise<void> => stage.fleet(stage.own).addProbe(name)
    const seen = await stage.change({ expected: { cluster: `_${name}_` }, act, quietMs: 3000 })
    rounds.push(seen)
    context.progress(`services: new service ${probe + 1}: ${told(stage, seen)}`)
  }
  putSpread(context, stage, rounds, 'services')
  // what follows changes the endpoints of a service that every proxy must know by now
  await stage.quiet(8000)
}

/** The load assignment of the service of all zones: its only endpoint is the probe in the first zone. */
export const assignment = `mzsvc_${meshName}___probe-0`

async function measureEndpoints(context: RunContext, stage: FleetStage): Promise<void> {
  const { federation, own, other } = stage
  const url = `${federation.api(own)}/meshes/${meshName}/dataplanes/probe-0-0`
  const change = async (state: 'NotReady' | 'Ready'): Promise<Seen> => {
    const body = await withState(url, state)
    const act = async (): Promise<void> => {
      const answer = await http('PUT', url, body)
      if (answer.status !== 200 && answer.status !== 201) throw new Error(`PUT ${url}: ${answer.status} ${answer.text}`)
    }
    const expected = { loadAssignment: assignment, preferredEndpoints: state === 'Ready' ? 1 : 0 }
    return stage.change({ expected, act, quietMs: 3000 })
  }
  const down: Seen[] = []
  const up: Seen[] = []
  for (let round = 1; round <= context.options.endpointRounds; round++) {
    const gone = await change('NotReady')
    const back = await change('Ready')
    down.push(gone)
    up.push(back)
    context.progress(`endpoints: round ${round}: NotReady ${told(stage, gone)}; Ready ${told(stage, back)}`)
  }
  putSpread(context, stage, down, 'endpoints')
  context.put(
    'endpoints.backOwn',
    over(up, own, ({ max }) => max),
  )
  if (own !== other)
    context.put(
      'endpoints.backOther',
      over(up, other, ({ max }) => max),
    )
}

/** A Dataplane as the zone has it, with its inbound in another state. */
export async function withState(url: string, state: string): Promise<unknown> {
  const answer = await http('GET', url)
  if (answer.status !== 200) throw new Error(`GET ${url}: ${answer.status} ${answer.text}`)
  // the probe's own Dataplane: one inbound (packages/testkit simulated-dataplane)
  const { type, mesh, name, labels, networking } = JSON.parse(answer.text) as Record<string, unknown> & {
    networking: { inbound: readonly object[] }
  }
  return { type, mesh, name, labels, networking: { ...networking, inbound: networking.inbound.map((inbound) => ({ ...inbound, state })) } }
}

const disconnectRounds = 3

async function measureDisconnect(context: RunContext, stage: FleetStage): Promise<void> {
  const fleet = stage.fleet(stage.own)
  const rounds: Seen[] = []
  for (let round = 1; round <= disconnectRounds; round++) {
    const expected = { loadAssignment: assignment, preferredEndpoints: 0 }
    const seen = await stage.change({ expected, act: () => fleet.remove('probe-0-0'), quietMs: 3000 })
    rounds.push(seen)
    context.progress(`disconnect: round ${round}: ${told(stage, seen)}`)
    if (round === disconnectRounds) break
    const act = (): Promise<void> => fleet.addProbe('probe-0')
    await stage.change({ expected: { loadAssignment: assignment, preferredEndpoints: 1 }, act, quietMs: 3000 })
  }
  context.put(
    'disconnect.ownP50',
    over(rounds, stage.own, ({ p50 }) => p50),
  )
  context.put(
    'disconnect.ownLast',
    over(rounds, stage.own, ({ max }) => max),
  )
  if (stage.own !== stage.other)
    context.put(
      'disconnect.otherLast',
      over(rounds, stage.other, ({ max }) => max),
    )
}
