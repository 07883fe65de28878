// Finds in a message value what encoding would silently drop or distort: unknown properties, enum names, numbers out of range,
// two members of one oneof.
import protobuf from 'protobufjs'
import type { Field, Type } from 'protobufjs'

const maxDepth = 100
const ranges: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-0x80000000, 0x7fffffff],
  sint32: [-0x80000000, 0x7fffffff],
  sfixed32: [-0x80000000, 0x7fffffff],
  uint32: [0, 0xffffffff],
  fixed32: [0, 0xffffffff],
}

/** The first fault of `value` as a message of `type`, with the path to it; undefined when there is none. */
export function verifyMessage(type: Type, value: unknown): string | undefined {
  return faultOf(type, value, '')
}

function faultOf(type: Type, value: unknown, path: string, depth = 0): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${path || type.name}: expected a message`
  if (depth > maxDepth) return `${path}: nested too deep`
  const chosen = new Map<string, string>()
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined || member === null) continue
    const at = path === '' ? name : `${path}.${name}`
    const field = Object.hasOwn(type.fields, name) ? type.fields[name] : undefined
    if (field === undefined) return `${at}: ${type.fullName.slice(1)} has no such field`
    field.resolve()
    if (field.partOf) {
      const other = chosen.get(field.partOf.name)
      if (other !== undefined) return `${at}: ${other} is set too, only one of them may be`
      chosen.set(field.partOf.name, name)
    }
    const fault = memberFault(field, member, at, depth)
    if (fault !== undefined) return fault
  }
  return undefined
}

function memberFault(field: Field, value: unknown, path: string, depth: number): string | undefined {
  if (field.map) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${path}: expected a map`
    return firstFault(
      Object.entries(value).map(
        ([key, item]) =>
          () =>
            itemFault(field, item, `${path}[${JSON.stringify(key)}]`, depth),
      ),
    )
  }
  if (!field.repeated) return itemFault(field, value, path, depth)
  if (!Array.isArray(value)) return `${path}: expected a list`
  return firstFault(value.map((item: unknown, at) => () => itemFault(field, item, `${path}[${at}]`, depth)))
}

function firstFault(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const fault = check()
    if (fault !== undefined) return fault
  }
  return undefined
}

function itemFault(field: Field, value: unknown, path: string, depth: number): string | undefined {
  const type = field.resolvedType
  if (type instanceof protobuf.Type) return faultOf(type, value, path, depth + 1)
  if (type instanceof protobuf.Enum) {
    return typeof value === 'number' && type.valuesById[value] !== undefined
      ? undefined
      : `${path}: expected a number of ${type.fullName.slice(1)}`
  }
  switch (field.type) {
    case 'string':
      return typeof value === 'string' ? undefined : `${path}: expected a string`
    case 'bool':
      return typeof value === 'boolean' ? undefined : `${path}: expected a boolean`
    case 'bytes':
      return value instanceof Uint8Array ? undefined : `${path}: expected bytes`
    case 'float':
    case 'double':
      return typeof value === 'number' ? undefined : `${path}: expected a number`
    default:
      return integerFault(field.type, value, path)
  }
}

function integerFault(kind: string, value: unknown, path: string): string | undefined {
  const range = ranges[kind]
  if (range === undefined) {
    const exact = typeof value === 'number' ? Number.isSafeInteger(value) : isHalves(value)
    if (!exact) return `${path}: expected a 64-bit integer`
    return kind.startsWith('u') || kind === 'fixed64' ? negativeFault(value, path) : undefined
  }
  return typeof value === 'number' && Number.isInteger(value) && value >= range[0] && value <= range[1]
    ? undefined
    : `${path}: expected an integer from ${range[0]} to ${range[1]}`
}

function negativeFault(value: unknown, path: string): string | undefined {
  return typeof value === 'number' && value < 0 ? `${path}: expected no negative number` : undefined
}

function isHalves(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'low' in value && 'high' in value && 'unsigned' in value
}
