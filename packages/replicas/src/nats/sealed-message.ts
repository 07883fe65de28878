// Questions and answers as NATS messages. Each is signed with a key that only the replicas of one control plane have, over everything that
// counts: whoever else may publish on the server can neither ask nor answer. Bodies that are worth it are compressed.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { headers, type MsgHdrs } from '@nats-io/transport-node'
import { maxBodyBytes } from '../answer.ts'

/** Facts of a message, in headers. */
export type MessageFields = Readonly<Record<'kind' | 'from' | 'id', string>> & {
  /** Of a question. */
  readonly topic?: string
  /** Of a question: milliseconds. */
  readonly limit?: string
}

export interface SealedMessage {
  readonly headers: MsgHdrs
  readonly payload: Uint8Array
}

const compressFromBytes = 4096
/** What an answer has around its body. */
const wrappingBytes = 4096
const fieldNames = ['kind', 'from', 'id', 'topic', 'limit'] as const
const maxFieldLength = 512
const [headerPrefix, encodingHeader, macHeader] = ['Weft-', 'Weft-Encoding', 'Weft-Mac']
const compress = promisify(gzip)
const decompress = promisify(gunzip)

/** Signs and packs. `to` is the instance it is for. */
export async function seal(key: Uint8Array, to: string, fields: MessageFields, body: Uint8Array): Promise<SealedMessage> {
  const packed = body.length < compressFromBytes ? undefined : await compress(body, { level: 1 })
  const isPacked = packed !== undefined && packed.length < body.length
  const payload = isPacked ? packed : body
  const encoding = isPacked ? 'gzip' : ''
  const set = headers()
  for (const name of fieldNames) {
    const value = fields[name]
    // what people name themselves (host names) may hold anything; headers may not
    if (value !== undefined) set.set(headerPrefix + name, encodeURIComponent(value))
  }
  if (isPacked) set.set(encodingHeader, encoding)
  set.set(macHeader, macOf(key, { to, fields, encoding, payload }).toString('base64url'))
  return { headers: set, payload }
}

/** The facts of a message for `to`, when its signature is right. Never throws. */
export function readFields(
  key: Uint8Array,
  to: string,
  message: { readonly headers?: MsgHdrs | undefined; readonly data: Uint8Array },
): MessageFields | undefined {
  try {
    const set = message.headers
    if (!set) return undefined
    const fields: Partial<Record<(typeof fieldNames)[number], string>> = {}
    for (const name of fieldNames) {
      const text = set.get(headerPrefix + name)
      if (text.length > maxFieldLength) return undefined
      if (text !== '') fields[name] = decodeURIComponent(text)
    }
    const { kind, from, id, topic, limit } = fields
    if (kind === undefined || from === undefined || id === undefined) return undefined
    const read: MessageFields = {
      kind,
      from,
      id,
      ...(topic === undefined ? {} : { topic }),
      ...(limit === undefined ? {} : { limit }),
    }
    const said = Buffer.from(set.get(macHeader), 'base64url')
    const right = macOf(key, { to, fields: read, encoding: set.get(encodingHeader), payload: message.data })
    return said.length === right.length && timingSafeEqual(said, right) ? read : undefined
  } catch {
    return undefined
  }
}

/** The body of a message whose signature was found right. Rejects when it cannot be unpacked or is too long. */
export async function readBody(message: { readonly headers?: MsgHdrs | undefined; readonly data: Uint8Array }): Promise<Uint8Array> {
  const encoding = message.headers?.get(encodingHeader) ?? ''
  if (encoding === '') return message.data
  if (encoding !== 'gzip') throw new Error(`unknown encoding ${encoding}`)
  return decompress(message.data, { maxOutputLength: maxBodyBytes + wrappingBytes })
}

interface Signed {
  readonly to: string
  readonly fields: MessageFields
  readonly encoding: string
  readonly payload: Uint8Array
}

function macOf(key: Uint8Array, { to, fields, encoding, payload }: Signed): Buffer {
  const facts = [to, encoding, ...fieldNames.map((name) => fields[name] ?? '')]
  return createHmac('sha256', key).update(JSON.stringify(facts)).update('\n').update(payload).digest()
}
