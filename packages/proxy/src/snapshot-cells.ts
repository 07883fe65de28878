// The maps of cells that snapshots are made of. None is ever changed, so that proxies share what is the same for them, and a map stays the identical
// object while it holds the same cells.
import { createCell, type EncodedResource, type ProxySnapshot, type ResourceCell, type XdsType } from '@weft/xds'

/** Cells by Envoy name. */
export type Cells = ReadonlyMap<string, ResourceCell>

export const noCells: Cells = new Map()
export const emptySnapshot: ProxySnapshot = { cluster: noCells, endpoint: noCells, listener: noCells, secret: noCells }

/** Cells of several proxies and those of one on top: where both have a name the latter counts. */
export interface Layers {
  readonly base: Cells
  readonly top: Cells
  readonly all: Cells
}

export const noLayers: Layers = { base: noCells, top: noCells, all: noCells }

/** The given layers when they are made of the identical maps, else new ones. */
export function layered(before: Layers, base: Cells, top: Cells): Layers {
  if (before.base === base && before.top === top) return before
  const all = new Map(base)
  top.forEach((cell, name) => all.set(name, cell))
  return { base, top, all }
}

/** What of a proxy was built, and the names of what could not be. */
export interface BuiltResources {
  readonly built: ReadonlyMap<string, EncodedResource>
  readonly failed: ReadonlySet<string>
}

/** Sets the cells of what was built, keeps those of what failed, drops the rest; the given map when that leaves it the same cells. */
export function updatedCells(type: XdsType, before: Cells, { built, failed }: BuiltResources): Cells {
  let isSame = true
  before.forEach((_, name) => {
    if (!built.has(name) && !failed.has(name)) isSame = false
  })
  built.forEach((encoded, name) => {
    const cell = before.get(name)
    if (cell === undefined) isSame = false
    else cell.set(encoded)
  })
  if (isSame) return before
  const cells = new Map<string, ResourceCell>()
  before.forEach((cell, name) => {
    if (built.has(name) || failed.has(name)) cells.set(name, cell)
  })
  built.forEach((encoded, name) => {
    if (!before.has(name)) cells.set(name, createCell(type, name, encoded))
  })
  return cells
}

/** True when both hold the same cells under the same names. */
export function sameCells(a: Cells, b: Cells): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  let isSame = true
  a.forEach((cell, name) => {
    if (isSame && b.get(name) !== cell) isSame = false
  })
  return isSame
}

/** True when both have the same cells of every type. */
export function sameSnapshot(a: ProxySnapshot, b: ProxySnapshot): boolean {
  return (
    sameCells(a.cluster, b.cluster) &&
    sameCells(a.endpoint, b.endpoint) &&
    sameCells(a.listener, b.listener) &&
    sameCells(a.secret, b.secret)
  )
}
