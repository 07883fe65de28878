// Coding functions compiled one by one. protobufjs compiles five for a type as soon as one of them is used; a control plane encodes hundreds
// of types and needs the other four of few, so most of that work, and the memory it leaves, is for nothing.
import protobuf, { type Root, type Type } from 'protobufjs'

const { Reader, Writer, util } = protobuf
const { prototype } = protobuf.Type
const ofLibrary = { encode: prototype.encode, decode: prototype.decode }
/** Resolved as a whole. The library resolves types of others when it compiles them. */
const resolved = new WeakSet<Root>()

/** Makes every type of a root on which `resolveAll` was called compile encoder and decoder at the first use of each. What they do is the same. */
export function compileSeparately(root: Root): void {
  resolved.add(root)
  prototype.encode = encodeFirst
  prototype.decode = decodeFirst
}

/** Compiles the encoder of a type of such a root now, unless it is. */
export function compileEncoder(type: Type): Type {
  if (!Object.hasOwn(type, 'encode')) type.encode = protobuf.encoder(type)({ Writer, types: fieldTypes(type), util }) as Type['encode']
  return type
}

const encodeFirst: Type['encode'] = function (this: Type, ...args) {
  if (!resolved.has(this.root)) return ofLibrary.encode.apply(this, args)
  return compileEncoder(this).encode(...args)
}

const decodeFirst: Type['decode'] = function (this: Type, ...args) {
  if (!resolved.has(this.root)) return ofLibrary.decode.apply(this, args)
  this.decode = protobuf.decoder(this)({ Reader, types: fieldTypes(this), util, C: this.ctor }) as Type['decode']
  return this.decode(...args)
}

/** What the generated code refers to by the positions of fields. */
function fieldTypes(type: Type): unknown[] {
  return type.fieldsArray.map((field) => field.resolve().resolvedType)
}
