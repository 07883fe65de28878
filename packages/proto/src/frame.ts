// Length-delimited fields put together from bytes that are encoded already: a parent message is a concatenation of its framed fields.
// The result is byte-identical to encoding the whole message, at many times the speed.

/** Field `field` holding `payload`: tag, length, bytes. In a buffer of its own. */
export function frame(field: number, payload: Uint8Array): Uint8Array {
  return wrap(field, [payload])
}

/** Field `field` holding a string. Halves of surrogate pairs become replacement characters. */
export function str(field: number, text: string): Uint8Array {
  const length = Buffer.byteLength(text)
  const out = headed(field, length)
  out.write(text, out.length - length)
  return out
}

/** Field `field` holding a message whose own fields are `chunks`, framed already. */
export function wrap(field: number, chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const chunk of chunks) length += chunk.length
  const out = headed(field, length)
  let at = out.length - length
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

/** Tag and length, and room for as many bytes. */
function headed(field: number, length: number): Buffer {
  const tag = ((field << 3) | 2) >>> 0
  const out = Buffer.allocUnsafeSlow(varintSize(tag) + varintSize(length) + length)
  putVarint(out, putVarint(out, 0, tag), length)
  return out
}

function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  return value < 0x10000000 ? 4 : 5
}

function putVarint(out: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = value
  while (rest > 127) {
    out[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  out[at++] = rest
  return at
}
