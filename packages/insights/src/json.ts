// Reading insight specs that came from a store or a peer: anything may be missing or of another type, and nothing throws.

export type Json = Readonly<Record<string, unknown>>

const empty: Json = Object.freeze({})

/** The value as an object, or an empty one. */
export function objectOf(value: unknown): Json {
  // checked: a non-null object that is no array
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : empty
}

/** An own property of an object as an object, or an empty one. */
export function child(value: Json, key: string): Json {
  return Object.hasOwn(value, key) ? objectOf(value[key]) : empty
}

/** The objects of a list; anything else is left out. */
export function objectsOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null).map(objectOf) : []
}

/** The value as text, or ''. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The texts of a list. */
export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
