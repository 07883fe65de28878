// Reading insight specs that came from a store or a peer: what is missing or of another type reads as empty.
import { isObject, type JsonObject, objectField } from '@weft/foundation/json'

const empty: JsonObject = Object.freeze({})

/** The value as an object, or an empty one. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : empty
}

/** A property that is an object, or an empty one. */
export function child(value: unknown, key: string): JsonObject {
  return objectField(value, key) ?? empty
}
