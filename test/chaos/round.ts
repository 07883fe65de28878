// One round: some faults at once, the zones they do not touch must not notice, and afterwards every invariant holds.
import { messageOf } from '../../packages/foundation/src/errors/index.ts'
import type { Violation } from './invariants.ts'
import type { Round } from './plan.ts'
import type { Stage } from './stage.ts'

/** Patience with a zone that no fault touches and that follows an edit at global meanwhile, on a machine that starts others. */
const unaffectedMs = 120_000

/** Resolves with what was found broken, in words. */
export async function runRound(stage: Stage, { faults }: Round): Promise<readonly string[]> {
  const found: string[] = []
  const cutOff = new Set(faults.flatMap((fault) => fault.cutsOff))
  const unaffected = stage.federation.zones.filter((zone) => !cutOff.has(zone))
  const trying = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    try {
      await act()
    } catch (error) {
      found.push(`${what}: ${messageOf(error)}`)
    }
  }
  await Promise.all([
    ...faults.map((fault) => trying(fault.name, () => fault.run(stage))),
    ...(unaffected.length > 0 ? [trying('untouched zones', () => stage.follows(unaffected, unaffectedMs))] : []),
  ])
  for (const link of stage.federation.links) link.heal()
  return [...found, ...(await stage.judge()).map(textOf)]
}

/** `invariant: text`, for reports. */
export function textOf({ invariant, text }: Violation): string {
  return `${invariant}: ${text}`
}
