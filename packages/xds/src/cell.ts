// Cells: named places whose content streams follow. A change reaches every watcher in the same call; watchers only take note.
import type { EncodedResource, ResourceCell, XdsType } from './contract.ts'

/** Told that a cell's content changed. Must not throw and must not change cells. */
export interface CellWatcher {
  cellChanged(cell: ResourceCell): void
}

class Cell implements ResourceCell {
  readonly type: XdsType
  readonly name: string
  /** Most cells are one proxy's own: a set only for those that several follow. */
  #watchers: CellWatcher | Set<CellWatcher> | undefined
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
    if (this.#watchers instanceof Set) for (const watcher of this.#watchers) watcher.cellChanged(this)
    else this.#watchers?.cellChanged(this)
  }

  watch(watcher: CellWatcher): void {
    if (this.#watchers instanceof Set) this.#watchers.add(watcher)
    else if (this.#watchers === undefined) this.#watchers = watcher
    else if (this.#watchers !== watcher) this.#watchers = new Set([this.#watchers, watcher])
  }

  unwatch(watcher: CellWatcher): void {
    if (this.#watchers instanceof Set) this.#watchers.delete(watcher)
    else if (this.#watchers === watcher) this.#watchers = undefined
  }
}

/** A cell of `type` called `name`, empty (known not to exist) unless `initial` is given; `awaited` when that is to come. */
export function createCell(type: XdsType, name: string, initial?: EncodedResource | 'awaited'): ResourceCell {
  return new Cell(type, name, initial)
}

/** Calls `watcher` at every change of `cell` until `unwatchCell`. Cells made elsewhere never change as far as anyone is told. */
export function watchCell(cell: ResourceCell, watcher: CellWatcher): void {
  if (cell instanceof Cell) cell.watch(watcher)
}

/** Ends `watchCell`. */
export function unwatchCell(cell: ResourceCell, watcher: CellWatcher): void {
  if (cell instanceof Cell) cell.unwatch(watcher)
}
