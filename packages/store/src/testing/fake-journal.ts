// A journal in memory that several stores can share and that fails on demand.
import type { Resource } from '@weft/resources'
import { keyText } from '@weft/resources'
import type { Change } from '../contract.ts'
import type { Journal, JournalEntry } from '../journal.ts'
import type { WriteLease } from '../lease-table.ts'

export interface FakeJournal extends Journal {
  /** What the next writes do; 'lost': they take effect but the answer does not arrive. */
  failing: 'no' | 'away' | 'lost'
  /** Content of this name is refused. */
  refusedName: string | undefined
  /** Everything written, in order. */
  readonly written: readonly (readonly Change[])[]
  /** Writes as another instance. */
  writeElsewhere(...changes: readonly Omit<Change, 'seq' | 'time' | 'actor' | 'reason'>[]): void
  /** Drops entries up to a number from the log. */
  prune(upTo: number): void
  /** Takes the database back to a number. */
  setBack(seq: number): void
  /** Epochs of leases. */
  readonly epochs: Map<string, number>
  /** How often everything was read. */
  readonly loads: number
}

export function createFakeJournal(refusal: (name: string) => Error): FakeJournal {
  let transactions: (readonly Change[])[] = []
  let pruned = 0
  let loads = 0
  const headNow = (): number => transactions.at(-1)?.at(-1)?.seq ?? 0
  const reach = (): void => {
    if (journal.failing === 'away') throw new Error('connection refused')
  }
  const currentOf = (): Map<string, Resource> => {
    const current = new Map<string, Resource>()
    for (const { key, after } of transactions.flat()) {
      if (after) current.set(keyText(key), after)
      else current.delete(keyText(key))
    }
    return current
  }
  const write = (next: readonly (readonly Change[])[]): void => {
    const refused = next.flat().find(({ key }) => key.name === journal.refusedName)
    if (refused) throw refusal(refused.key.name)
    transactions.push(...next)
    if (journal.failing === 'lost') {
      journal.failing = 'away'
      throw new Error('connection lost')
    }
  }
  const readAfter = (after: number): readonly (readonly JournalEntry[])[] | undefined => {
    if (after < pruned) return undefined
    const current = currentOf()
    return transactions
      .filter((transaction) => (transaction.at(-1)?.seq ?? 0) > after)
      .map((transaction) =>
        transaction.map((change) => {
          const { before: _, after: value, ...entry } = change
          const isOvertaken = entry.class === 'observed' && current.get(keyText(entry.key))?.version !== entry.seq
          return { ...entry, ...(value && !isOvertaken ? { after: value } : {}) }
        }),
      )
  }
  const hasEpoch = ({ name, epoch }: WriteLease): boolean => journal.epochs.get(name) === epoch
  const journal: FakeJournal = {
    failing: 'no',
    refusedName: undefined,
    get written() {
      return transactions
    },
    get loads() {
      return loads
    },
    head: async () => {
      reach()
      return headNow()
    },
    read: async (after, head) => {
      reach()
      const read = readAfter(after)
      return read && headNow() >= head ? { transactions: read, head: headNow() } : undefined
    },
    epochs: new Map(),
    holds: async (leases) => {
      reach()
      return leases.every(hasEpoch)
    },
    append: async (after, next, leases) => {
      reach()
      if (headNow() !== after || !leases.every(hasEpoch)) return false
      write(next)
      return true
    },
    appendInTurn: async (after, plan) => {
      reach()
      const others = readAfter(after)
      if (!others || headNow() < after) return false
      write(plan({ transactions: others, head: headNow() }, hasEpoch))
      return true
    },
    load: async () => {
      reach()
      loads += 1
      return { seq: headNow(), resources: [...currentOf().values()] }
    },
    close: async () => {},
    writeElsewhere: (...changes) => {
      const seq = headNow()
      const stamp = { time: '2026-01-01T00:00:00.000Z', actor: 'user:elsewhere', reason: 'api' }
      transactions.push(
        changes.map((change, at) => ({
          ...change,
          ...stamp,
          seq: seq + at + 1,
          ...(change.after ? { after: { ...change.after, version: seq + at + 1 } } : {}),
        })),
      )
    },
    prune: (upTo) => void (pruned = upTo),
    setBack: (seq) => void (transactions = transactions.filter((transaction) => (transaction.at(-1)?.seq ?? 0) <= seq)),
  }
  return journal
}
