// Reading JSON from outside: every accessor gives a typed value or undefined and never follows inherited properties.

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>

/** The value as an object, undefined for anything else. */
export function objectOf(value: unknown): JsonObject | undefined {
  // the checks leave only plain objects
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined
}

/** An own property. */
export function field(object: JsonObject | undefined, key: string): unknown {
  return object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined
}

/** An own property that is an object. */
export function child(object: JsonObject | undefined, key: string): JsonObject | undefined {
  return objectOf(field(object, key))
}

/** An own property that is text; '' when absent or of another type. */
export function textField(object: JsonObject | undefined, key: string): string {
  const value = field(object, key)
  return typeof value === 'string' ? value : ''
}

/** An own property that is a list of texts; other members are left out. */
export function textsField(object: JsonObject | undefined, key: string): readonly string[] {
  const value = field(object, key)
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
}

/** An own property that is a number, or text in decimal; 0 when it is neither. */
export function numberField(object: JsonObject | undefined, key: string): number {
  const value = field(object, key)
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : 0
}
