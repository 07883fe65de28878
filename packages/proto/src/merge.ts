// Merging of messages, as protobuf libraries merge them: what the source sets is taken over, messages are merged member by member, lists are
// joined. Durations and wrapped scalars are replaced as a whole: so a number can be set to 0.
import protobuf from 'protobufjs'
import type { Field, Type } from 'protobufjs'
import { AppError } from '@weft/foundation/errors'
import { anyType } from './root.ts'

const wrappers = ['Bool', 'Bytes', 'Double', 'Float', 'Int32', 'Int64', 'String', 'UInt32', 'UInt64'].map(
  (name) => `google.protobuf.${name}Value`,
)
const replaced: ReadonlySet<string> = new Set(['google.protobuf.Duration', 'google.protobuf.Any', ...wrappers])

/** A new message of type `name`: `base` with everything that `source` sets. Throws `resource/undecodable` when there is no such message type. */
export function mergeMessages(name: string, base: object, source: object): object {
  const type = anyType(name)
  if (type === undefined) throw new AppError('resource/undecodable', `unknown message type ${JSON.stringify(name.slice(0, 200))}`)
  return merged(type, base, source)
}

function merged(type: Type, base: object, source: object): object {
  const result = new Map<string, unknown>(Object.entries(base))
  const given = new Map<string, unknown>(Object.entries(source))
  for (const field of type.fieldsArray) {
    const value = given.get(field.name)
    if (!isSet(field, value)) continue
    if (field.partOf) for (const sibling of field.partOf.fieldsArray) if (sibling !== field) result.delete(sibling.name)
    result.set(field.name, mergedMember(field, result.get(field.name), value))
  }
  // defines own properties, so a hostile name stays data
  return Object.fromEntries(result)
}

function mergedMember(field: Field, before: unknown, value: unknown): unknown {
  if (field.map) return { ...(isRecord(before) ? before : {}), ...(isRecord(value) ? value : {}) }
  if (field.repeated) return [...(Array.isArray(before) ? before : []), ...(Array.isArray(value) ? value : [])]
  const inner = field.resolvedType
  if (!(inner instanceof protobuf.Type) || replaced.has(inner.fullName.slice(1))) return value
  return isRecord(before) && isRecord(value) ? merged(inner, before, value) : value
}

/** A scalar with its zero value is as good as absent, unless its presence is told apart. */
function isSet(field: Field, value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (field.repeated) return Array.isArray(value) && value.length > 0
  if (field.map || field.partOf || field.resolvedType instanceof protobuf.Type) return true
  if (typeof value === 'object') return value instanceof Uint8Array ? value.length > 0 : true
  return value !== 0 && value !== false && value !== ''
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
