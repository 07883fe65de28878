// google.protobuf.Any: a message with its type's name. Names are exact; the host part of a type URL means nothing.
import { AppError } from '@weft/foundation/errors'
import type { Type } from 'protobufjs'
import { type Codec, codec, createCodec, type MessageName } from './codec.ts'
import type { google, Messages } from './gen/messages.ts'
import { anyType } from './root.ts'

/** A decoded Any of whatever type it was. */
export interface DecodedAny {
  /** Full protobuf name. */
  readonly name: string
  readonly value: object
}

/** `value` as an Any under its canonical type URL. */
export function anyOf<K extends MessageName>(name: K, value: Messages[K]): google.protobuf.Any {
  const { typeUrl, encode } = codec(name)
  return { typeUrl, value: encode(value) }
}

/** The full name of the message inside: what follows the last slash of the type URL. */
export function anyName(any: google.protobuf.Any): string {
  const url = any.typeUrl ?? ''
  return url.slice(url.lastIndexOf('/') + 1)
}

/** The message inside when it is of type `name`, else undefined. Throws `resource/undecodable` on malformed bytes. */
export function unpackAny<K extends MessageName>(any: google.protobuf.Any | undefined, name: K): Messages[K] | undefined {
  if (any === undefined || anyName(any) !== name) return undefined
  return codec(name).decode(any.value ?? new Uint8Array(0))
}

/** The message inside, of any type of Envoy's API. Throws `resource/undecodable` on an unknown type or malformed bytes. */
export function decodeAny(any: google.protobuf.Any): DecodedAny {
  const name = anyName(any)
  const value = namedCodec(name).decode(any.value ?? new Uint8Array(0))
  // a codec of messages decodes to an object
  return { name, value: value as object }
}

/**
 * The codec of a message named at run time, also of one that only Envoy's full set has (loaded then, once, in some 200 ms).
 * Throws `resource/undecodable` when there is no such message.
 */
export function namedCodec(name: string): Codec<unknown> {
  const type = anyType(name)
  if (type === undefined) throw new AppError('resource/undecodable', `unknown message type ${JSON.stringify(name.slice(0, 200))}`)
  let found = named.get(type)
  if (!found) named.set(type, (found = createCodec(name, () => type)))
  return found
}

const named = new WeakMap<Type, Codec<unknown>>()
