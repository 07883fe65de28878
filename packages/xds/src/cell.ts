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
  #awaited: boolean

  constructor(type: XdsType, name: string, content: EncodedResource | 'awaited' | undefined) {
    this.type = type
    this.name = name
    this.#awaited = content === 'awaited'
    this.#current = content === 'awaited' ? undefined : content
  }

  get current(): EncodedResource | undefined {
    return this.#current
  }

  get awaited(): boolean {
    return this.#awaited
  }

  set(next: EncodedResource | undefined): void {
    if (next?.version === this.#current?.version && !this.#awaited) return
    this.#awaited = false
    this.#current = next
    for (const watcher of this.watchers) watcher.cellChanged(this)
  }
}

/** A cell of `type` called `name`, empty (known not to exist) unless `initial` is given; `awaited` when that is to come. */
export function createCell(type: XdsType, name: string, initial?: EncodedResource | 'awaited'): ResourceCell {
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
