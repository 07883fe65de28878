// Names of an object schema, indexed once per literal.
import type { ObjectSchema, Schema } from './literal.ts'

export interface PropertyLookup {
  readonly properties: readonly (readonly [string, Schema])[]
  readonly required: ReadonlySet<string>
  /** The schema's name for a given key. `loose` forgives case and underscores. */
  find(key: string, loose: boolean): string | undefined
}

const known = new WeakMap<ObjectSchema, PropertyLookup>()

/** The lookup of a literal; made on first use, kept as long as the literal. */
export function propertyLookup(schema: ObjectSchema): PropertyLookup {
  const found = known.get(schema)
  if (found) return found
  const properties = Object.entries(schema.properties)
  const loose = new Map(properties.map(([name]) => [fold(name), name]))
  const made: PropertyLookup = {
    properties,
    required: new Set(schema.required ?? []),
    find: (key, forgiving) => {
      if (Object.hasOwn(schema.properties, key)) return key
      return forgiving ? loose.get(fold(key)) : undefined
    },
  }
  known.set(schema, made)
  return made
}

function fold(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}
