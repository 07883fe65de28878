// What a federation costs and how fast it is, at the sizes of its goals: changes that cross zones, a zone that freezes, and global alone
// with scripted zones.
import { getJson, http } from '../../apps/demo/src/rest.ts'
import { percentiles } from '../../packages/testkit/src/fleet/percentiles.ts'
import { createFleetStage, type FleetStage, type Seen } from './fleet-stage.ts'
import type { FigureId } from './figures.ts'
import { usageOf } from './processes-usage.ts'
import { connectTimeout, mesh } from './resources.ts'
import type { RunContext } from './run-context.ts'
import { frames, type ScriptedZone, scriptedZone, send } from './scripted-zones.ts'
import { assignment, measureCold, start, withState } from './simulated-steps.ts'

const kib = 1024

/** 5 x 100 and 10 x 200 proxies (or what the options say, once), then global with scripted zones. */
export async function measureFederation(context: RunContext): Promise<void> {
  const { options } = context
  await context.attempt('federation', () => measureSize(context, { zones: options.zones, sidecars: options.dps }, 'federation'))
  if (options.isFullFederation)
    await context.attempt('federation 10 x 200', () => measureSize(context, { zones: 10, sidecars: 200 }, 'federationLarge'))
  await context.attempt('global', () => measureGlobal(context))
}

async function measureSize(
  context: RunContext,
  size: { readonly zones: number; readonly sidecars: number },
  as: 'federation' | 'federationLarge',
): Promise<void> {
  const stage = await createFleetStage(context, size, 'memory')
  try {
    await start(context, stage)
    await measureCold(context, stage, 'federation')
    const startedAt = performance.now()
    const before = stage.usage()
    await measureEdits(context, stage, as)
    await measureStates(context, stage, as)
    const seconds = (performance.now() - startedAt) / 1000
    const after = stage.usage()
    const shares = stage.federation.controlPlanes.map((name) => {
      const spent = (after.get(name)?.cpuSeconds ?? 0) - (before.get(name)?.cpuSeconds ?? 0)
      return `${name} ${((spent / seconds) * 100).toFixed(1)} %`
    })
    context.progress(`${as}: CPU of a core while changing: ${shares.join(', ')}`)
    const of = (name: string): number => (((after.get(name)?.cpuSeconds ?? 0) - (before.get(name)?.cpuSeconds ?? 0)) / seconds) * 100
    context.put(`${as}.globalCpu`, of('global'))
    context.put(`${as}.zoneCpu`, Math.max(...stage.federation.zones.map(of)))
    if (as === 'federation') await measureFrozen(context, stage)
  } finally {
    await stage.stop()
  }
}

/** Reports of every zone but the first. */
const remote = (stage: FleetStage, { reports }: Seen) => [...reports].filter(([zone]) => zone !== stage.own).map(([, report]) => report)

async function measureEdits(context: RunContext, stage: FleetStage, as: 'federation' | 'federationLarge'): Promise<void> {
  const first: number[] = []
  for (let round = 0; round < context.options.rounds; round++) {
    const ms = 4000 + round
    const seen = await stage.change({
      expected: { connectTimeoutMs: ms },
      act: () => stage.federation.put('global', connectTimeout(ms)),
      quietMs: 500,
    })
    if (seen.isComplete) first.push(Math.min(...remote(stage, seen).map(({ reached }) => reached.min)))
  }
  const { count, p50, p99, max } = percentiles(first)
  context.progress(`${as}: policy commit to first remote ACK: ${count} rounds, p50 ${p50.toFixed(0)} p99 ${p99.toFixed(0)} ms`)
  if (count === 0) return
  context.put(`${as}.firstAckP50`, p50)
  context.put(`${as}.firstAckP99`, count < 100 ? max : p99)
}

async function measureStates(context: RunContext, stage: FleetStage, as: 'federation' | 'federationLarge'): Promise<void> {
  const { federation, own } = stage
  await stage.change({ expected: { cluster: '_probe-0_' }, act: () => stage.fleet(own).addProbe('probe-0'), quietMs: 3000 })
  const url = `${federation.api(own)}/meshes/default/dataplanes/probe-0-0`
  const slowest: number[] = []
  for (let round = 0; round < context.options.endpointRounds; round++) {
    for (const state of ['NotReady', 'Ready'] as const) {
      const body = await withState(url, state)
      const seen = await stage.change({
        expected: { loadAssignment: assignment, preferredEndpoints: state === 'Ready' ? 1 : 0 },
        act: async () => {
          const answer = await http('PUT', url, body)
          if (answer.status !== 200 && answer.status !== 201) throw new Error(`PUT ${url}: ${answer.status} ${answer.text}`)
        },
        quietMs: 1000,
      })
      if (seen.isComplete) slowest.push(Math.max(...remote(stage, seen).map(({ reached }) => reached.p99)))
    }
  }
  const { count, p50, max } = percentiles(slowest)
  context.progress(
    `${as}: service state to p99 of the slowest remote zone: ${count} changes, median ${p50.toFixed(0)} worst ${max.toFixed(0)} ms`,
  )
  if (count > 0) context.put(`${as}.stateP99`, max)
}

/** Stops the last zone without a word and looks when global shows it. */
async function measureFrozen(context: RunContext, { federation, other }: FleetStage): Promise<void> {
  const isOnline = async (): Promise<boolean> => {
    // the reference's shape: Online while any subscription is open
    const overview = (await getJson(`${federation.api('global')}/zones+insights/${other}`)) as
      | { readonly zoneInsight?: { readonly subscriptions?: readonly { readonly disconnectTime?: string }[] } }
      | undefined
    return (overview?.zoneInsight?.subscriptions ?? []).some((each) => !each.disconnectTime)
  }
  if (!(await isOnline())) throw new Error(`${other} is not Online before it freezes`)
  const pid = federation.pid(other)
  process.kill(-pid, 'SIGSTOP')
  try {
    const ms = await federation.until(`${other} shown as frozen`, async () => !(await isOnline()), 60_000)
    context.progress(`frozen: ${other} is shown as not Online after ${ms.toFixed(0)} ms`)
    context.put('federation.frozen', ms)
  } finally {
    process.kill(-pid, 'SIGCONT')
  }
}

const quietZones = 50
const joining = 10_000
const batch = 500
const batches = 40

type Slice = Parameters<typeof frames>[1] & { readonly type: Parameters<typeof frames>[0] }

/** Frames of the large zone, slice by slice; between them this process answers the pings of global, which takes it for gone otherwise. */
async function framesOf(context: RunContext, wanted: readonly Omit<Slice, 'zone'>[]): Promise<readonly (readonly Uint8Array[])[]> {
  const all: (readonly Uint8Array[])[] = []
  for (const { type, ...slice } of wanted) {
    all.push(frames(type, { zone: 'large', ...slice }))
    await context.sleep(0)
  }
  return all
}

/** Global in a process of its own, its zones played by this one. */
async function measureGlobal(context: RunContext): Promise<void> {
  const federation = await context.federation([], 'memory')
  federation.start('global')
  const open: ScriptedZone[] = []
  const usage = (): { readonly cpuSeconds: number; readonly rssBytes: number } =>
    usageOf([federation.pid('global')]).get(federation.pid('global')) ?? { cpuSeconds: 0, rssBytes: 0 }
  const put = (id: FigureId, value: number, text: string): void => {
    context.put(id, value)
    context.progress(`global: ${text}`)
  }
  try {
    await federation.answers('global')
    await federation.put('global', mesh)
    for (let zone = 0; zone < quietZones; zone++) open.push(await scriptedZone(federation, `quiet-${zone}`))
    await federation.online(quietZones)
    await context.sleep(context.options.settleSeconds * 1000)
    const idleFrom = usage()
    const seconds = Math.min(30, context.options.idleSeconds)
    await context.sleep(seconds * 1000)
    const cpu = ((usage().cpuSeconds - idleFrom.cpuSeconds) / seconds) * 100
    put('federation.quietCpu', cpu, `${quietZones} quiet zones cost ${cpu.toFixed(2)} % of a core`)

    const empty = usage()
    const large = await scriptedZone(federation, 'large')
    open.push(large)
    await federation.until('global asks for Dataplanes', async () => large.provider.types.has('DataplaneInsight'))
    const slices = (size: number) => Array.from({ length: joining / size }, (_, index) => ({ from: index * size, to: (index + 1) * size }))
    const thousands = slices(1000)
    const whole = await framesOf(
      context,
      thousands.map((slice) => ({ ...slice, type: 'Dataplane', round: 0 })),
    )
    const joinFrom = performance.now()
    for (const [index, parts] of whole.entries()) await send(large, 'Dataplane', parts, index < whole.length - 1)
    const joinMs = performance.now() - joinFrom
    put('federation.join', joinMs, `a zone with ${joining} dataplanes has joined after ${joinMs.toFixed(0)} ms`)

    const known = await framesOf(
      context,
      thousands.map((slice) => ({ ...slice, type: 'DataplaneInsight', round: 0 })),
    )
    for (const parts of known) await send(large, 'DataplaneInsight', parts)
    await context.sleep(context.options.settleSeconds * 1000)
    const each = (usage().rssBytes - empty.rssBytes) / joining / kib
    put('federation.memory', each, `${each.toFixed(1)} KiB for each Dataplane with its insight`)

    const places = slices(batch)
    const updates = await framesOf(
      context,
      Array.from({ length: batches }, (_, round) => ({
        ...(places[round % places.length] ?? { from: 0, to: batch }),
        type: round % 2 === 0 ? 'Dataplane' : 'DataplaneInsight',
        round: round + 1,
      })),
    )
    const spentFrom = usage().cpuSeconds
    const ingestFrom = performance.now()
    for (const [round, parts] of updates.entries()) await send(large, round % 2 === 0 ? 'Dataplane' : 'DataplaneInsight', parts)
    const spent = usage().cpuSeconds - spentFrom
    const rate = (batches * batch) / spent
    const wall = (batches * batch) / ((performance.now() - ingestFrom) / 1000)
    put('federation.ingest', rate, `${rate.toFixed(0)} updates for each second of CPU (${wall.toFixed(0)} a second by the wall)`)
  } finally {
    for (const zone of open) await zone[Symbol.asyncDispose]()
    context.session.spentCpuSeconds += usage().cpuSeconds
    await federation.stop()
  }
}
