// Map entries are encoded in the order of their keys, so that equal specs give equal bytes. Fields of messages go by number, whatever their order
// here; what needs no other order stays the same object.
import type { ObjectSchema, Schema } from '@weft/foundation/schema'
import { isObject, type JsonObject } from '@weft/foundation/json'

/** A canonical value of this schema with the keys of all its maps in order. */
export function inKeyOrder(schema: Schema, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !hasMaps(schema)) return value
  switch (schema.type) {
    case 'object':
      return isObject(value)
        ? changedMembers(value, mapsWithin(schema), (key, item) => inKeyOrder(schema.properties[key] ?? free, item))
        : value
    case 'array':
      return Array.isArray(value) ? sameItems(value, (item) => inKeyOrder(schema.items, item)) : value
    case 'map':
      return isObject(value) ? sortedMembers(value, (item) => inKeyOrder(schema.values, item)) : value
    default:
      return Array.isArray(value)
        ? sameItems(value, (item) => inKeyOrder(free, item))
        : sortedMembers(value as JsonObject, (item) => inKeyOrder(free, item)) // an object, and no list
  }
}

const free = { type: 'any' } as const satisfies Schema

/** By schema of an object: its properties that are maps or hold some. */
const known = new WeakMap<ObjectSchema, readonly string[]>()

function mapsWithin(schema: ObjectSchema): readonly string[] {
  let names = known.get(schema)
  if (!names) {
    names = Object.keys(schema.properties).filter((name) => hasMaps(schema.properties[name] ?? free))
    known.set(schema, names)
  }
  return names
}

function hasMaps(schema: Schema): boolean {
  if (schema.type === 'array') return hasMaps(schema.items)
  return schema.type === 'map' || schema.type === 'any' || (schema.type === 'object' && mapsWithin(schema).length > 0)
}

function sameItems(items: readonly unknown[], order: (item: unknown) => unknown): readonly unknown[] {
  const ordered = items.map(order)
  return ordered.every((item, index) => item === items[index]) ? items : ordered
}

function changedMembers(record: JsonObject, names: readonly string[], order: (name: string, item: unknown) => unknown): JsonObject {
  const changed: [string, unknown][] = []
  for (const name of names) {
    const item = record[name]
    const ordered = item === undefined ? item : order(name, item)
    if (ordered !== item) changed.push([name, ordered])
  }
  return changed.length === 0 ? record : { ...record, ...Object.fromEntries(changed) }
}

function sortedMembers(record: JsonObject, order: (item: unknown) => unknown): JsonObject {
  const keys = Object.keys(record)
  const changed = new Map<string, unknown>()
  let isSorted = true
  let last = ''
  for (const key of keys) {
    isSorted &&= last <= key
    last = key
    const ordered = order(record[key])
    if (ordered !== record[key]) changed.set(key, ordered)
  }
  if (isSorted && changed.size === 0) return record
  return Object.fromEntries(keys.sort().map((key) => [key, changed.has(key) ? changed.get(key) : record[key]]))
}
