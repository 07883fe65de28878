// Names of an object schema, indexed once per literal.
import type { ObjectSchema, Schema } from './literal.ts'

export interface PropertyLookup {
  readonly properties: readonly { readonly name: string; readonly property: Schema; readonly isRequired: boolean }[]
  has(name: string): boolean
  /** The schema's name for a key, whatever its case and underscores. */
  findLoosely(key: string): string | undefined
  /** An empty plain object to be given members in the order of the schema. */
  createObject(): Record<string, unknown>
}

const known = new WeakMap<ObjectSchema, PropertyLookup>()

/** The lookup of a literal; made on first use, kept as long as the literal. */
export function propertyLookup(schema: ObjectSchema): PropertyLookup {
  const found = known.get(schema)
  if (found) return found
  const required = new Set(schema.required ?? [])
  const names = new Set(Object.keys(schema.properties))
  const loose = new Map([...names].map((name) => [fold(name), name]))
  const made: PropertyLookup = {
    properties: Object.entries(schema.properties).map(([name, property]) => ({ name, property, isRequired: required.has(name) })),
    has: (name) => names.has(name),
    findLoosely: (key) => loose.get(fold(key)),
    createObject: plainObjects(),
  }
  known.set(schema, made)
  return made
}

/**
 * Makes plain objects of one sort. A literal `{}` has room for four members, and others are kept apart; of a constructor the engine learns from the
 * first objects how many members they get, and leaves room for those. Checked values are kept for long and by the thousand.
 */
function plainObjects(): () => Record<string, unknown> {
  // a function expression is a constructor, which its type does not say
  const Plain = function () {} as unknown as new () => Record<string, unknown>
  Plain.prototype = Object.prototype
  return () => new Plain()
}

function fold(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}
