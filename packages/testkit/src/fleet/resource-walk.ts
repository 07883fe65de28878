// Reads a resource on the wire without building it: checks that it is well-formed down to its last message and text, and finds what it refers to.
import { isUtf8 } from 'node:buffer'
import protobuf, { type Reader } from 'protobufjs'
import { type Shape, shapeOf } from './resource-shape.ts'

/** Hears of each message that names another resource, with where it lies in the reader's bytes. */
export type OnReference = (type: 'secret' | 'route', name: string) => void

const sdsSecretConfig = 'envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig'
const rds = 'envoy.extensions.filters.network.http_connection_manager.v3.Rds'
const any = 'google.protobuf.Any'
/** Extensions that lead nowhere: full of routes and filters without a name of another resource. */
const leaves = new Set(['envoy.extensions.filters.http.rbac.v3.RBAC', 'envoy.extensions.filters.network.rbac.v3.RBAC'])
/** As deep as Envoy's own reader goes. */
const maxDepth = 100

/** Checks a message of type `name`. Throws on bytes that are no such message; a packed extension that is unknown or malformed is let be. */
export function walkMessage(name: string, bytes: Uint8Array, onReference: OnReference): void {
  const shape = shapeOf(name)
  if (!shape) throw new Error(`no message is called ${name}`)
  const reader = readerOf(bytes)
  walk(shape, { reader, end: reader.len, depth: 0 }, onReference)
}

/** A reader of `bytes`, which it shares. */
export function readerOf(bytes: Uint8Array): Reader {
  return protobuf.Reader.create(bytes)
}

/** Reads a length and returns where what has it ends. */
export function endOfField(reader: Reader, end: number): number {
  const to = reader.uint32() + reader.pos
  if (to > end) throw new RangeError(`a field reaches ${to - end} bytes beyond its message`)
  return to
}

interface Span {
  readonly reader: Reader
  readonly end: number
  readonly depth: number
}

function walk(shape: Shape, { reader, end, depth }: Span, onReference: OnReference): void {
  if (depth > maxDepth) throw new Error('nested too deep')
  if (shape.name === any) return walkAny({ reader, end, depth }, onReference)
  const at = reader.pos
  while (reader.pos < end) {
    const tag = reader.tag()
    const field = tag >>> 3
    if ((tag & 7) !== 2 || field === 0) {
      reader.skipType(tag & 7, depth, field)
      continue
    }
    const to = endOfField(reader, end)
    const message = shape.message(field)
    if (message) walk(message, { reader, end: to, depth: depth + 1 }, onReference)
    else if (shape.texts.has(field)) checkText(reader, to)
    reader.pos = to
  }
  if (reader.pos !== end) throw new RangeError('a field reaches beyond its message')
  if (shape.name === sdsSecretConfig) tell('secret', { reader, from: at, end, name: 1, source: 2 }, onReference)
  else if (shape.name === rds) tell('route', { reader, from: at, end, name: 2, source: 1 }, onReference)
}

interface Naming {
  readonly reader: Reader
  readonly from: number
  readonly end: number
  /** Number of the field with the name. */
  readonly name: number
  /** Number of the field that says where the resource comes from; without it the name is one of the proxy's own. */
  readonly source: number
}

function tell(type: 'secret' | 'route', { reader, from, end, name, source }: Naming, onReference: OnReference): void {
  let found = ''
  let isFetched = false
  reader.pos = from
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === ((name << 3) | 2)) found = reader.string()
    else {
      isFetched ||= tag === ((source << 3) | 2)
      reader.skipType(tag & 7, 0, tag >>> 3)
    }
  }
  if (isFetched) onReference(type, found)
}

function walkAny({ reader, end, depth }: Span, onReference: OnReference): void {
  let url = ''
  let from = end
  let to = end
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 10) {
      const textEnd = endOfField(reader, end)
      checkText(reader, textEnd)
      url = Buffer.from(reader.buf.buffer, reader.buf.byteOffset, reader.len).toString('latin1', reader.pos, textEnd)
      reader.pos = textEnd
    } else if (tag === 18) {
      to = endOfField(reader, end)
      from = reader.pos
      reader.pos = to
    } else reader.skipType(tag & 7, depth, tag >>> 3)
  }
  if (reader.pos !== end) throw new RangeError('a field reaches beyond its message')
  const name = url.slice(url.lastIndexOf('/') + 1)
  if (leaves.has(name)) return
  const shape = shapeOf(name)
  if (!shape) return
  const found: (readonly ['secret' | 'route', string])[] = []
  reader.pos = from
  try {
    walk(shape, { reader, end: to, depth: depth + 1 }, (type, of) => found.push([type, of]))
  } catch {
    // what this proxy cannot read it cannot follow either
    return
  } finally {
    reader.pos = end
  }
  for (const [type, of] of found) onReference(type, of)
}

function checkText(reader: Reader, to: number): void {
  const { buf } = reader
  for (let at = reader.pos; at < to; at++) {
    if ((buf[at] ?? 0) < 0x80) continue
    if (!isUtf8(buf.subarray(reader.pos, to))) throw new Error('text that is not UTF-8')
    return
  }
}
