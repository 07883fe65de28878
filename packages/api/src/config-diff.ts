// The difference of two configurations as JSON patch operations in the form the reference gives: a change is a test, a removal with its
// old value and an addition; lists are compared by their longest common part (contract/rest-cli-gui.md section 5, `_config`).
import { isObject } from '@weft/foundation/json'
import { equalJson } from '@weft/foundation/schema'

export interface PatchOperation {
  readonly op: 'test' | 'remove' | 'add'
  /** JSON pointer, right when the operations before it were applied. */
  readonly path: string
  readonly value: unknown
}

/** Operations that turn `before` into `after`; empty when they are equal. */
export function configDiff(before: unknown, after: unknown): readonly PatchOperation[] {
  const operations: PatchOperation[] = []
  compare('', { before, after, into: operations })
  return operations
}

interface Pair {
  readonly before: unknown
  readonly after: unknown
  readonly into: PatchOperation[]
}

function compare(path: string, pair: Pair): void {
  const { before, after, into } = pair
  if (Array.isArray(before) && Array.isArray(after)) compareLists(path, { before, after, into })
  else if (isObject(before) && isObject(after))
    compareObjects(path, { before: new Map(Object.entries(before)), after: new Map(Object.entries(after)), into })
  else if (!equalJson(before, after)) into.push(...removal(path, before), { op: 'add', path, value: after })
}

interface ObjectPair {
  readonly before: ReadonlyMap<string, unknown>
  readonly after: ReadonlyMap<string, unknown>
  readonly into: PatchOperation[]
}

function compareObjects(path: string, { before, after, into }: ObjectPair): void {
  for (const key of [...before.keys()].sort()) {
    const at = `${path}/${escape(key)}`
    if (after.has(key)) compare(at, { before: before.get(key), after: after.get(key), into })
    else into.push(...removal(at, before.get(key)))
  }
  for (const key of [...after.keys()].sort()) {
    if (!before.has(key)) into.push({ op: 'add', path: `${path}/${escape(key)}`, value: after.get(key) })
  }
}

interface ListPair {
  readonly before: readonly unknown[]
  readonly after: readonly unknown[]
  readonly into: PatchOperation[]
}

/** Walks both lists between the elements they have in common; elements facing each other in a gap are compared when both hold something. */
function compareLists(path: string, { before, after, into }: ListPair): void {
  const common = commonPairs(before, after)
  let [from, to] = [0, 0]
  for (const [nextFrom, nextTo] of [...common, [before.length, after.length] as const]) {
    while (from < nextFrom && to < nextTo && isSameShape(before[from], after[to])) {
      compare(`${path}/${to}`, { before: before[from], after: after[to], into })
      from += 1
      to += 1
    }
    for (; from < nextFrom; from += 1) into.push(...removal(`${path}/${to}`, before[from]))
    // each addition goes in front of the one before it
    for (let index = nextTo - 1; index >= to; index -= 1) into.push({ op: 'add', path: `${path}/${to}`, value: after[index] })
    from = nextFrom + 1
    to = nextTo + 1
  }
}

/** Largest table worth the work; longer lists are compared from the start. */
const maxCells = 1_000_000

/** Positions of the elements of a longest common subsequence. */
function commonPairs(before: readonly unknown[], after: readonly unknown[]): readonly (readonly [number, number])[] {
  const [rows, columns] = [before.length, after.length]
  if (rows * columns > maxCells) return []
  const left = before.map(textOf)
  const right = after.map(textOf)
  const width = columns + 1
  const lengths = new Uint32Array((rows + 1) * width)
  const at = (row: number, column: number): number => lengths[row * width + column] ?? 0
  for (let row = 1; row <= rows; row += 1) {
    for (let column = 1; column <= columns; column += 1) {
      lengths[row * width + column] =
        left[row - 1] === right[column - 1] ? at(row - 1, column - 1) + 1 : Math.max(at(row - 1, column), at(row, column - 1))
    }
  }
  const pairs: [number, number][] = []
  for (let [row, column] = [rows, columns]; row > 0 && column > 0; ) {
    if (left[row - 1] === right[column - 1]) {
      row -= 1
      column -= 1
      pairs.push([row, column])
    } else if (at(row - 1, column) >= at(row, column - 1)) row -= 1
    else column -= 1
  }
  return pairs.reverse()
}

function removal(path: string, value: unknown): readonly PatchOperation[] {
  return [
    { op: 'test', path, value },
    { op: 'remove', path, value },
  ]
}

function isSameShape(a: unknown, b: unknown): boolean {
  return (Array.isArray(a) && Array.isArray(b)) || (isObject(a) && isObject(b))
}

/** Equal for equal values, whatever the order of keys. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  )
}

function escape(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}
