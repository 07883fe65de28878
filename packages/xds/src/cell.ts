// Cells: named places whose content streams follow. A change reaches every watcher in the same call; watchers only take note.
import type { EncodedResource, ResourceCell, XdsType } from './contract.ts'

/** Told that a cell's content changed. Must not throw and must not change cells. */
export interface CellWatcher {
  cellChanged(cell: ResourceCell): void
}

class Cell implements ResourceCell {
  readonly type: XdsType
  readonly name: string
  readonly watchers = new Set<CellWatcher>()
  #current: EncodedResource | undefined

  constructor(type: XdsType, name: string, initial: EncodedResource | undefined) {
    this.type = type
    this.name = name
    this.#current = initial
  }

  get current(): EncodedResource | undefined {
    return this.#current
  }

  set(next: EncodedResource | undefined): void {
    if (next?.version === this.#current?.version) return
    this.#current = next
    for (const watcher of this.watchers) watcher.cellChanged(this)
  }
}

/** A cell of `type` called `name`, empty (known not to exist) unless `initial` is given. */
export function createCell(type: XdsType, name: string, initial?: EncodedResource): ResourceCell {
  return new Cell(type, name, initial)
}

/** Calls `watcher` at every change of `cell` until `unwatchCell`. Cells made elsewhere never change as far as anyone is told. */
export function watchCell(cell: ResourceCell, watcher: CellWatcher): void {
  if (cell instanceof Cell) cell.watchers.add(watcher)
}

/** Ends `watchCell`. */
export function unwatchCell(cell: ResourceCell, watcher: CellWatcher): void {
  if (cell instanceof Cell) cell.watchers.delete(watcher)
}
