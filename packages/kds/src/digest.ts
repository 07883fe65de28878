// A digest of what one side has of a type: independent of order, kept up to date one resource at a time. Both sides of a stream between own
// peers compare theirs; a difference means that something was lost, was left over or was altered on the way or at the receiver.
import { hash } from 'node:crypto'

/** Type of the responses that carry digests: one resource for each type, its version the digest. */
export const digestsType = 'weft.io/Digests'

/** How often a sender tells its digests. */
export const digestIntervalMs = 60_000

/** Version of something that the receiver holds without knowing what it is of the origin. */
export const unknownVersion = 'weft:unknown'

/** The part of one resource. */
export type DigestPart = readonly [number, number, number, number]

/** Of a wire name and a content version. */
export function digestPart(name: string, version: string): DigestPart {
  const sum = hash('sha256', `${name}\0${version}`, 'buffer')
  return [sum.readUInt32LE(0), sum.readUInt32LE(4), sum.readUInt32LE(8), sum.readUInt32LE(12)]
}

/** The sum of the parts of what is there. */
export interface Digest {
  add(part: DigestPart): void
  remove(part: DigestPart): void
  /** Equal for equal contents: sum and number. `without`: as if these were not there. */
  text(without?: readonly DigestPart[]): string
}

export function createDigest(): Digest {
  const sum = new Uint32Array(4)
  let count = 0
  return {
    add: (part) => {
      count++
      part.forEach((lane, index) => (sum[index] = (sum[index] ?? 0) + lane))
    },
    remove: (part) => {
      count--
      part.forEach((lane, index) => (sum[index] = (sum[index] ?? 0) - lane))
    },
    text: (without = []) => {
      const rest = Uint32Array.from(sum)
      for (const part of without) part.forEach((lane, index) => (rest[index] = (rest[index] ?? 0) - lane))
      return `${[...rest].map((lane) => lane.toString(16).padStart(8, '0')).join('')}/${count - without.length}`
    },
  }
}
