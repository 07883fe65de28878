// Load assignments as shared cells: an endpoint change encodes and sets the cells of one assignment and rebuilds no proxy.
// A cell lives as long as some snapshot holds it; what it shows always follows the latest fact.
import { loadAssignmentDraft } from '@weft/envoy'
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
  /** The cell that shows the assignment under an Envoy name. */
  cell(id: string, name: string): ResourceCell
}

interface Entry {
  fact: LoadAssignmentFact | undefined
  readonly cells: Map<string, WeakRef<ResourceCell>>
}

/** Creates an empty set. `onEncode` is called for every encoding. */
export function createLoadAssignments(onEncode: (type: XdsType) => void): LoadAssignments {
  const entries = new Map<string, Entry>()
  const forget = new FinalizationRegistry<{ readonly id: string; readonly name: string }>(({ id, name }) => {
    const entry = entries.get(id)
    // A newer cell may have taken the name meanwhile.
    if (entry === undefined || entry.cells.get(name)?.deref() !== undefined) return
    entry.cells.delete(name)
    if (entry.fact === undefined && entry.cells.size === 0) entries.delete(id)
  })

  const encode = (fact: LoadAssignmentFact | undefined, name: string): EncodedResource | undefined => {
    if (fact === undefined) return undefined
    onEncode('endpoint')
    return encodedLoadAssignment(loadAssignmentDraft(name, fact.endpoints))
  }
  const show = (entry: Entry): void => {
    for (const [name, ref] of entry.cells) {
      const cell = ref.deref()
      if (cell === undefined) entry.cells.delete(name)
      else cell.set(encode(entry.fact, name))
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
    cell(id, name) {
      const entry = entryOf(id)
      const known = entry.cells.get(name)?.deref()
      if (known !== undefined) return known
      const cell = createCell('endpoint', name, encode(entry.fact, name))
      entry.cells.set(name, new WeakRef(cell))
      forget.register(cell, { id, name })
      return cell
    },
  }
}
