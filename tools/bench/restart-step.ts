// What a killed zone control plane costs the proxies it comes back to.
import { type FleetStage, nacksOf, stateOf } from './fleet-stage.ts'
import { connectTimeout } from './resources.ts'
import type { RunContext } from './run-context.ts'

/** Kills the other zone's control plane and starts it again; on a memory store it comes back empty. */
export async function measureRestart(context: RunContext, stage: FleetStage, as: 'restart' | 'embedded'): Promise<void> {
  const { federation, other } = stage
  const patience = context.options.patienceSeconds * 1000
  const ms = as === 'restart' ? 2500 : 2501
  context.progress(`${as}: ${other} is killed and started again`)
  await stage.mark({ connectTimeoutMs: ms })
  const killedAt = performance.now()
  stage.noteSpent(other)
  await federation.kill(other)
  federation.start(other)
  await federation.answers(other)
  context.put(`${as}.api`, performance.now() - killedAt)
  await federation.put('global', connectTimeout(ms))
  const ready = await stage.waitFor('ready', patience, [other])
  const reached = await stage.waitFor('reached', ready.size === 1 ? patience : 1000, [other])
  const followed = (await stage.reports()).get(other)
  if (reached.size === 0) context.progress(`${as}: INCOMPLETE: ${stateOf(await stage.reports())}`)
  // what a memory store lost and only an operator writes
  if (as === 'restart') await federation.writeZone(other, stage.ingressPort(other))
  const complete = await stage.waitFor('complete', patience, [other])
  await stage.quiet(4000)
  const reports = await stage.reports()
  const isComplete = reached.size === 1 && complete.size === 1
  context.count({ nacks: nacksOf(reports), isComplete })
  context.put(
    `${as}.removed`,
    [...reports.values()].reduce((sum, { counts }) => sum + counts.removed, 0),
  )
  if (reached.size === 1) context.put(`${as}.follows`, followed?.reached.max)
  if (as === 'restart' && complete.size === 1) context.put('restart.complete', reports.get(other)?.complete.max)
  context.put(`${as}.followsP50`, followed?.reached.p50)
  if (ready.size === 1) context.put(`${as}.ready`, followed?.ready.max)
  const removed = [...reports]
    .map(([zone, { counts, removedNames }]) => `${zone} ${counts.removed}${counts.removed > 0 ? ` ${JSON.stringify(removedNames)}` : ''}`)
    .join(', ')
  context.progress(
    `${as}: ${followed?.reached.count ?? 0} of ${stage.size.sidecars} follow, p50 ${(followed?.reached.p50 ?? 0).toFixed(0)} p90 ${(followed?.reached.p90 ?? 0).toFixed(0)} last ${(followed?.reached.max ?? 0).toFixed(0)} ms; last ready ${(followed?.ready.max ?? 0).toFixed(0)} ms; removed: ${removed}${isComplete ? '' : ' INCOMPLETE'}`,
  )
}
