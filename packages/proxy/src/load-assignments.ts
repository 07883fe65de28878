// Load assignments as shared cells: an endpoint change encodes and sets the cells of one assignment and rebuilds no proxy.
// A cell lives as long as some snapshot holds it; what it shows always follows the latest fact.
import { type LoadAssignmentDraft, loadAssignmentDraft, settleOutOfReach } from '@weft/envoy'
import type { LoadAssignmentFact } from '@weft/facts'
import { createCell, type EncodedResource, type ResourceCell, type XdsType } from '@weft/xds'
import { encodedLoadAssignment } from './encoded.ts'

/** The load assignments of one kind, by the id of their destination. */
export interface LoadAssignments {
  set(fact: LoadAssignmentFact): void
  /**
   * The destination is gone. Cells in use keep what they show: their holders are rebuilt without them, and until a proxy has dropped the
   * cluster its last requests still need the endpoints.
   */
  remove(id: string): void
  /** The cell that shows the assignment under an Envoy name, ordered as the clients of a placement see it. */
  cell(id: string, name: string, placement?: Placement): ResourceCell
}

/** An order of endpoints. Placements with equal keys make equal orders. */
export interface Placement {
  readonly key: string
  readonly arrange: (assignment: LoadAssignmentDraft) => void
}

interface Shown {
  readonly name: string
  readonly placement: Placement | undefined
  readonly cell: WeakRef<ResourceCell>
}

interface Entry {
  fact: LoadAssignmentFact | undefined
  /** By name and placement. */
  readonly cells: Map<string, Shown>
}

/** Creates an empty set. `onEncode` is called for every encoding. */
export function createLoadAssignments(onEncode: (type: XdsType) => void): LoadAssignments {
  const entries = new Map<string, Entry>()
  const forget = new FinalizationRegistry<{ readonly id: string; readonly key: string }>(({ id, key }) => {
    const entry = entries.get(id)
    // A newer cell may have taken the key meanwhile.
    if (entry === undefined || entry.cells.get(key)?.cell.deref() !== undefined) return
    entry.cells.delete(key)
    if (entry.fact === undefined && entry.cells.size === 0) entries.delete(id)
  })

  const encode = (
    fact: LoadAssignmentFact | undefined,
    { name, placement }: { readonly name: string; readonly placement: Placement | undefined },
  ): EncodedResource | undefined => {
    if (fact === undefined) return undefined
    onEncode('endpoint')
    const draft = loadAssignmentDraft(name, fact.endpoints)
    placement?.arrange(draft)
    settleOutOfReach(draft)
    return encodedLoadAssignment(draft)
  }
  const show = (entry: Entry): void => {
    for (const [key, shown] of entry.cells) {
      const cell = shown.cell.deref()
      if (cell === undefined) entry.cells.delete(key)
      else cell.set(encode(entry.fact, shown))
    }
  }
  const entryOf = (id: string): Entry => {
    let entry = entries.get(id)
    if (entry === undefined) {
      entry = { fact: undefined, cells: new Map() }
      entries.set(id, entry)
    }
    return entry
  }

  return {
    set(fact) {
      const entry = entryOf(fact.id)
      if (entry.fact === fact) return
      entry.fact = fact
      show(entry)
    },
    remove(id) {
      const entry = entries.get(id)
      if (entry === undefined) return
      entry.fact = undefined
      if (entry.cells.size === 0) entries.delete(id)
    },
    cell(id, name, placement) {
      const entry = entryOf(id)
      const key = placement === undefined ? name : `${name} ${placement.key}`
      const known = entry.cells.get(key)?.cell.deref()
      if (known !== undefined) return known
      const cell = createCell('endpoint', name, encode(entry.fact, { name, placement }))
      entry.cells.set(key, { name, placement, cell: new WeakRef(cell) })
      forget.register(cell, { id, key })
      return cell
    },
  }
}
