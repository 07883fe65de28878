// The few DER forms a certificate consists of (ITU-T X.690). Reading relies on OpenSSL having taken the certificate before.

/** Tag, length and content. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  let size = 0
  for (const part of parts) size += part.length
  const header = size < 0x80 ? [tag, size] : size < 0x100 ? [tag, 0x81, size] : [tag, 0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from(header), ...parts], header.length + size)
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts)
export const octets = (content: Uint8Array): Buffer => der(0x04, content)
export const bitString = (content: Uint8Array, unusedBits = 0): Buffer => der(0x03, Buffer.from([unusedBits]), content)
export const yes: Buffer = Buffer.from([0x01, 0x01, 0xff])

/** A non-negative number given by its big-endian bytes, the first of which is not zero. */
export function positive(bytes: Uint8Array): Buffer {
  return (bytes[0] ?? 0) < 0x80 ? der(0x02, bytes) : der(0x02, Buffer.from([0]), bytes)
}

/** An object identifier in dotted form. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes: number[] = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return der(0x06, Buffer.from(bytes))
}

/** A time in whole seconds: UTCTime before 2050, GeneralizedTime from then on (RFC 5280 section 4.1.2.5). */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)
  return Number(digits.slice(0, 4)) < 2050 ? der(0x17, Buffer.from(`${digits.slice(2)}Z`)) : der(0x18, Buffer.from(`${digits}Z`))
}

/** The elements of a sequence whose encoding is known to be well formed, headers included. */
export function elements(bytes: Uint8Array): readonly Uint8Array[] {
  const found: Uint8Array[] = []
  const { end } = contentOf(bytes, 0)
  for (let at = contentOf(bytes, 0).start; at < end; ) {
    const next = contentOf(bytes, at).end
    found.push(bytes.subarray(at, next))
    at = next
  }
  return found
}

/** The content of the last element of a sequence whose elements are well formed, such as the key bits of a public key. */
export function lastElement(bytes: Uint8Array): Uint8Array {
  const last = elements(bytes).at(-1) ?? bytes
  const { start, end } = contentOf(last, 0)
  return last.subarray(start, end)
}

function contentOf(bytes: Uint8Array, at: number): { start: number; end: number } {
  const first = bytes[at + 1] ?? 0
  if (first < 0x80) return { start: at + 2, end: at + 2 + first }
  const count = first & 0x7f
  let size = 0
  for (let i = 0; i < count; i++) size = size * 256 + (bytes[at + 2 + i] ?? 0)
  return { start: at + 2 + count, end: at + 2 + count + size }
}
