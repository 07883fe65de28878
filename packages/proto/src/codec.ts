// Typed codecs by reflection. Bytes and JSON from outside are decoded strictly; values written in TypeScript are checked by their types,
// and by `verify` where types cannot reach.
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Type } from 'protobufjs'
import protojson from 'protobufjs/ext/protojson.js'
import type { Messages } from './gen/messages.ts'
import { compileEncoder } from './lazy-codegen.ts'
import { knownType } from './root.ts'
import { verifyMessage } from './verify.ts'

/** The full protobuf name of a message the product knows. */
export type MessageName = keyof Messages

export interface FromJsonOptions {
  /** Fields and enum names the schema lacks are dropped instead of refused. */
  readonly ignoreUnknown?: boolean
}

/** Converts one message type between its value, its wire form and its canonical JSON. */
export interface Codec<T> {
  readonly name: string
  /** `type.googleapis.com/` and the name. */
  readonly typeUrl: string
  /**
   * The wire form in a buffer of its own. Fields go by number, map entries in the order of their keys in the object. Checks nothing: an
   * unknown property is left out, an enum given by its name becomes 0.
   */
  encode(value: T): Uint8Array
  /**
   * Unset messages and oneof members read as `undefined`, unset scalars as their zero value, 64-bit integers are `Long`. `bytes` fields
   * share memory with `bytes`. Unknown fields are dropped. Throws `resource/undecodable`.
   */
  decode(bytes: Uint8Array): T
  /** From parsed ProtoJSON, with field names in either spelling. Throws `resource/undecodable` with the offending field in its text. */
  fromJson(json: unknown, options?: FromJsonOptions): T
  /** Canonical ProtoJSON: lowerCamel names, durations and 64-bit integers as strings, no zero values. Throws on an Any of unknown type. */
  toJson(value: T): unknown
  /** What is wrong with a value that types did not check, or undefined. */
  verify(value: unknown): string | undefined
}

const codecs = new Map<string, Codec<unknown>>()

/** The codec of a message; always the same object for the same name. Loads the descriptors at its first use, not before. */
export function codec<K extends MessageName>(name: K): Codec<Messages[K]> {
  let found = codecs.get(name)
  if (found === undefined) {
    found = createCodec(name, () => {
      const type = knownType(name)
      if (type === undefined) throw new Error(`no message is called ${name}`)
      return type
    })
    codecs.set(name, found)
  }
  // the map holds under each name only the codec made for it
  return found as Codec<Messages[K]>
}

/** Compiles the encoders of `names` now, so that the first message of a kind is encoded as fast as the second. */
export function warm(names: readonly MessageName[]): void {
  for (const name of names) {
    const type = knownType(name)
    if (type) compileEncoder(type)
  }
}

/** A codec around a reflected type, which is looked up at the first use. */
export function createCodec(name: string, lookup: () => Type): Codec<unknown> {
  let resolved: Type | undefined
  const type = (): Type => (resolved ??= lookup())
  return {
    name,
    typeUrl: `type.googleapis.com/${name}`,
    // the writer hands out a slice of a shared pool, which a cached message would keep alive as a whole
    encode: (value) => new Uint8Array(type().encode(asObject(value)).finish()),
    decode: (bytes) => reading(name, () => type().decode(bytes)),
    fromJson: (json, options) =>
      reading(name, () => protojson.fromJson(type(), json, { ignoreUnknownFields: options?.ignoreUnknown === true })),
    toJson: (value) => protojson.toJson(type(), asObject(value)),
    verify: (value) => verifyMessage(type(), value),
  }
}

function reading<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new AppError('resource/undecodable', `${name} cannot be decoded: ${messageOf(error)}`, { cause: error })
  }
}

function asObject(value: unknown): Record<string, unknown> {
  // messages are objects by their types; anything else is refused by protobufjs
  return value as Record<string, unknown>
}
