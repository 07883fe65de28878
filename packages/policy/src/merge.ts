// Merging of policy confs, weakest first (contract/policies.md section 1.5): RFC 7396 for objects, concatenation for `append*` lists,
// and merging by key for the lists that ask for it. Inputs are never changed.
import { field, isObject } from '@weft/foundation/json'
import { canonicalJson } from '@weft/foundation/schema'

/** A list whose items are merged by the value of one of their fields. */
export interface KeyedList {
  /** Name of the list in the conf. */
  readonly list: string
  /** Field that identifies an item (compared by content). */
  readonly key: string
  /** Field whose value is merged when two items have the same key. */
  readonly value: string
  /** True when within one conf the first item wins and the result lists the strongest conf's items first. */
  readonly firstWins: boolean
}

/** What a kind asks for beyond the common merge. */
export interface MergeSpec {
  readonly keyed?: KeyedList
}

/** Merges confs, weakest first; undefined when there is none. Confs that are not objects are left out. */
export function mergeConf(confs: readonly unknown[], spec: MergeSpec = {}): Readonly<Record<string, unknown>> | undefined {
  const objects = confs.filter(isObject)
  if (objects.length === 0) return undefined
  const merged = new Map<string, unknown>()
  for (const conf of objects) patchInto(merged, conf)
  if (spec.keyed !== undefined) {
    const keyed = spec.keyed
    const lists = objects.map((conf) => field(conf, keyed.list)).filter((list): list is readonly unknown[] => Array.isArray(list))
    if (lists.length > 0) merged.set(keyed.list, mergeKeyed(lists, keyed))
  }
  return toObject(merged)
}

type Tree = Map<string, unknown>

/** RFC 7396 with two differences of the contract: null changes nothing (stored specs have none), `append*` lists grow. */
function patchInto(target: Tree, patch: Readonly<Record<string, unknown>>): void {
  for (const key of Object.keys(patch)) {
    const value = patch[key]
    if (value === undefined || value === null) continue
    const current = target.get(key)
    if (isObject(value)) {
      const child: Tree = current instanceof Map ? current : new Map()
      patchInto(child, value)
      target.set(key, child)
    } else if (Array.isArray(value)) {
      target.set(key, isAppendKey(key) && Array.isArray(current) ? [...current, ...value] : value)
    } else target.set(key, value)
  }
}

function mergeKeyed(lists: readonly (readonly unknown[])[], keyed: KeyedList): readonly unknown[] {
  const items = new Map<string, unknown>()
  for (const list of lists) {
    for (const item of keyed.firstWins ? list.toReversed() : list) {
      const key = canonicalJson(field(item, keyed.key))
      const earlier = items.get(key)
      items.delete(key)
      items.set(key, earlier === undefined ? item : mergeItem(earlier, item, keyed))
    }
  }
  const merged = [...items.values()]
  return keyed.firstWins ? merged.reverse() : merged
}

function mergeItem(earlier: unknown, later: unknown, keyed: KeyedList): unknown {
  const value = mergeConf([field(earlier, keyed.value), field(later, keyed.value)])
  return isObject(later) && value !== undefined ? { ...later, [keyed.value]: value } : later
}

function isAppendKey(key: string): boolean {
  return /^append(?:[A-Z]|$)/.test(key)
}

function toObject(tree: Tree): Readonly<Record<string, unknown>> {
  // fromEntries defines own properties, so a key such as __proto__ stays data.
  return Object.fromEntries([...tree].map(([key, value]) => [key, value instanceof Map ? toObject(value) : value]))
}
