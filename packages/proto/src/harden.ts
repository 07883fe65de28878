// Makes a protobufjs root safe for untrusted input and exact in its names: a type resolves by its full name or not at all.
// Without this, an unknown Any type walks the whole tree and is remembered for ever, and short names resolve to arbitrary types.
import protobuf from 'protobufjs'
import type { Namespace, ReflectionObject, Root, Type } from 'protobufjs'

/** A resolved root whose lookups are exact. */
export interface HardenedRoot {
  readonly root: Root
  /** Message types by full name, without leading dot. */
  readonly types: ReadonlyMap<string, Type>
  readonly services: ReadonlyMap<string, protobuf.Service>
}

export interface HardenOptions {
  /** Asked for an Any payload whose type this root lacks. */
  readonly missing?: (name: string) => Type | undefined
}

/** Hardens `root` in place. Call once, after the last file was added and resolved. */
export function harden(root: Root, options: HardenOptions = {}): HardenedRoot {
  const types = new Map<string, Type>()
  const services = new Map<string, protobuf.Service>()
  const visit = (objects: readonly ReflectionObject[]): void => {
    for (const object of objects) {
      // a getter that climbs to the root otherwise: a third of the time spent on ProtoJSON
      Object.defineProperty(object, 'fullName', { value: object.fullName })
      if (object instanceof protobuf.Type) {
        types.set(object.fullName.slice(1), object)
        unsetMembersAreUndefined(object)
      }
      if (object instanceof protobuf.Service) services.set(object.fullName.slice(1), object)
      if (object instanceof protobuf.Namespace) visit(object.nestedArray)
    }
  }
  visit(root.nestedArray)
  const emptyInAny = emptyPayload()
  // ProtoJSON asks here for the payload of every Any; references inside the schema are resolved already and do not come by
  root.lookupType = (path: string | readonly string[]): Type => {
    const name = typeof path === 'string' ? path : path.join('.')
    if (name === 'google.protobuf.Empty') return emptyInAny
    const absolute = name.startsWith('.')
    const type = types.get(absolute ? name.slice(1) : name) ?? (absolute ? undefined : options.missing?.(name))
    if (type === undefined) throw new Error(`unknown message type ${JSON.stringify(name.slice(0, 200))}`)
    return type
  }
  return { root, types, services }
}

/** Unset messages and oneof members read as `undefined`, as the generated types say, instead of `null` or a zero value. */
function unsetMembersAreUndefined(type: Type): void {
  // the prototype of a constructor made by reflection is a plain object of default values
  const defaults = type.ctor.prototype as Record<string, unknown>
  for (const field of type.fieldsArray) {
    if (field.repeated || field.map) continue
    if (field.resolvedType instanceof protobuf.Type || field.partOf) defaults[field.name] = undefined
  }
}

/** Stands for google.protobuf.Empty inside an Any, whose canonical JSON has a `value` member that the message itself lacks. */
function emptyPayload(): Type {
  const scope: Namespace = new protobuf.Root()
  const payload = new protobuf.Type('EmptyInAny').add(new protobuf.Field('value', 1, 'EmptyValue'))
  scope.add(new protobuf.Type('EmptyValue')).add(payload)
  scope.resolveAll()
  const nothing = new Uint8Array(0)
  // only `finish` is ever called on the writer of an Any payload
  payload.encode = () => ({ finish: () => nothing }) as protobuf.Writer
  payload.decode = () => payload.create({ value: {} })
  return payload
}
