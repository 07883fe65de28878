// Reading JSON of unknown shape: every reader is total, gives a typed value or nothing, and sees own properties only, so that inherited names
// such as `constructor` never leak in.

/** A JSON object of unknown content. */
export type JsonObject = Readonly<Record<string, unknown>>

/** True for an object that is neither null nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A property of an object; undefined for anything else. */
export function field(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

/** A property that is an object. */
export function objectField(value: unknown, name: string): JsonObject | undefined {
  const found = field(value, name)
  return isObject(found) ? found : undefined
}

/** A property that is a list; empty when absent or of another type. */
export function listField(value: unknown, name: string): readonly unknown[] {
  const found = field(value, name)
  return Array.isArray(found) ? found : []
}

/** A property that is text; '' when absent or of another type. */
export function textField(value: unknown, name: string): string {
  const found = field(value, name)
  return typeof found === 'string' ? found : ''
}

/** A property that is a list of texts; other members are left out. */
export function textsField(value: unknown, name: string): readonly string[] {
  return listField(value, name).filter((item) => typeof item === 'string')
}

/** A property that is a number, or text in decimal; 0 when it is neither. */
export function numberField(value: unknown, name: string): number {
  const found = field(value, name)
  const number = typeof found === 'string' && /^\d{1,10}$/.test(found) ? Number(found) : found
  return typeof number === 'number' && Number.isFinite(number) ? number : 0
}
