// What a reader that builds no objects has to know of a message type: which of its fields hold messages and which hold text. Made from the
// descriptors, so it knows every type Envoy's API has.
import { fullRoot, prunedRoot } from '@weft/proto'
import protobuf from 'protobufjs'

/** A message type by its length-delimited fields. All others are skipped. */
export interface Shape {
  /** Full protobuf name. */
  readonly name: string
  readonly texts: ReadonlySet<number>
  /** The shape of the message in a field, also in a repeated one; a map's is that of its entries. */
  message(field: number): Shape | undefined
}

/** The shape of a message of Envoy's API, or undefined when there is no such message. */
export function shapeOf(name: string): Shape | undefined {
  const type = prunedRoot().types.get(name) ?? fullRoot().types.get(name)
  return type && shapeOfType(type)
}

const known = new WeakMap<protobuf.Type, Shape>()

function shapeOfType(type: protobuf.Type): Shape {
  const found = known.get(type)
  if (found) return found
  const texts = new Set<number>()
  const messages = new Map<number, () => Shape>()
  for (const field of type.fieldsArray) {
    const { resolvedType } = field.resolve()
    if (field instanceof protobuf.MapField) {
      const entry = entryShape(`${type.fullName.slice(1)}.${field.name}`, field)
      messages.set(field.id, () => entry)
    } else if (resolvedType instanceof protobuf.Type) messages.set(field.id, () => shapeOfType(resolvedType))
    else if (field.type === 'string') texts.add(field.id)
  }
  const shape: Shape = { name: type.fullName.slice(1), texts, message: (field) => messages.get(field)?.() }
  known.set(type, shape)
  return shape
}

/** Key and value of a map are fields 1 and 2 of its entries. */
function entryShape(name: string, field: protobuf.MapField): Shape {
  const { resolvedType } = field
  const texts = new Set<number>()
  if (field.keyType === 'string') texts.add(1)
  if (field.type === 'string') texts.add(2)
  return {
    name,
    texts,
    message: (number) => (number === 2 && resolvedType instanceof protobuf.Type ? shapeOfType(resolvedType) : undefined),
  }
}
