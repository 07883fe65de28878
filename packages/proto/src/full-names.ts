// Full names of reflected types, fields and enums, made once. protobufjs joins one from all parents whenever it is read, and reads one for each
// value between JSON and messages.
import protobuf, { type ReflectionObject, type Root } from 'protobufjs'

const { Enum, Field, MapField, ReflectionObject: Reflected, Type } = protobuf
const fullNameOf = Object.getOwnPropertyDescriptor(Reflected.prototype, 'fullName')
/** Nothing in them is renamed or moved any more. */
const settled = new WeakSet<Root>()

/** Makes everything in a root, which is complete, keep its full name from the first reading on. */
export function keepFullNames(root: Root): void {
  settled.add(root)
  for (const { prototype } of [Type, Enum, Field, MapField]) {
    if (!Object.hasOwn(prototype, 'fullName')) Object.defineProperty(prototype, 'fullName', { configurable: true, get: readFullName })
  }
}

function readFullName(this: ReflectionObject): unknown {
  const name: unknown = fullNameOf?.get?.call(this)
  if (settled.has(this.root)) Object.defineProperty(this, 'fullName', { value: name })
  return name
}
