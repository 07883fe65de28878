// What others logged, as changes of this store: with what was there before, in order, each transaction on top of the one before.
import { keyText, type Resource } from '@weft/resources'
import type { Change } from './contract.ts'
import type { JournalEntry } from './journal.ts'
import { createOverlay, type PlanView } from './plan.ts'

/** One transaction of others. */
export interface ForeignTransaction {
  readonly changes: readonly Change[]
  /** Number of its last entry; entries that a later one has overtaken have no change. */
  readonly last: number
}

/** Changes on top of `view`. */
export function materialise(transactions: readonly (readonly JournalEntry[])[], view: PlanView): readonly ForeignTransaction[] {
  const overlay = createOverlay(view)
  return transactions.map((entries) => {
    const changes: Change[] = []
    for (const entry of entries) {
      const before = overlay.get(entry.key)
      const isOvertaken = entry.op === 'put' && entry.after === undefined
      if (isOvertaken || (entry.op === 'delete' && before === undefined)) continue
      const change: Change = { ...entry, ...(before ? { before } : {}) }
      changes.push(change)
      overlay.add([change])
    }
    return { changes, last: entries.at(-1)?.seq ?? 0 }
  })
}

/** What tells two states apart, as changes that lead from the one to the other. */
export function difference(
  from: Iterable<Resource>,
  to: readonly Resource[],
  at: Pick<Change, 'seq' | 'time' | 'class' | 'actor' | 'reason'>,
): readonly Change[] {
  const left = new Map([...from].map((resource) => [keyText(resource), resource]))
  const changes: Change[] = []
  for (const after of to) {
    const text = keyText(after)
    const before = left.get(text)
    left.delete(text)
    if (before?.version === after.version) continue
    const key = { type: after.type, mesh: after.mesh, name: after.name }
    changes.push({ ...at, seq: after.version, op: 'put', key, ...(before ? { before } : {}), after })
  }
  changes.sort((a, b) => a.seq - b.seq)
  const gone = [...left.values()].map(
    (before): Change => ({ ...at, op: 'delete', key: { type: before.type, mesh: before.mesh, name: before.name }, before }),
  )
  return [...changes, ...gone]
}
