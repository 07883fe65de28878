// 64-bit integers, which no number holds in full.

/** The two halves of a 64-bit integer, as decoded messages hold it. */
export interface Int64Halves {
  readonly low: number
  readonly high: number
  readonly unsigned: boolean
}

/** A 64-bit integer. Messages to encode may use plain numbers; decoded ones hold both halves, so that nothing is lost. */
export type Int64 = number | Int64Halves

/** A 64-bit integer as a number; above 2^53 a near one. Unset is 0. */
export function toNumber(value: Int64 | undefined | null): number {
  if (value === undefined || value === null) return 0
  if (typeof value === 'number') return value
  return (value.unsigned ? value.high >>> 0 : value.high) * 0x1_0000_0000 + (value.low >>> 0)
}
