// Total readers of values in stored confs. What does not have the expected shape reads as undefined, so a conf that slipped past validation
// (an older peer, another schema) degrades to Envoy's or the policy's default for that field only.
import { field } from '@weft/foundation/json'
import { parseDuration } from '@weft/foundation/time'

/** Longest duration that protobuf and Envoy take, in milliseconds. */
const maxDurationMs = 315_576_000_000 * 1000

/** A duration in milliseconds, not negative. */
export function durationField(conf: unknown, name: string): number | undefined {
  const text = field(conf, name)
  if (typeof text !== 'string') return undefined
  const ms = parseDuration(text)
  return ms !== undefined && ms >= 0 && ms <= maxDurationMs ? ms : undefined
}

/** An unsigned 32-bit integer. */
export function uintField(conf: unknown, name: string): number | undefined {
  const value = field(conf, name)
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff ? value : undefined
}

/** A number or a decimal text (IntOrString), not negative. */
export function decimalField(conf: unknown, name: string): number | undefined {
  const value = field(conf, name)
  const number = typeof value === 'number' ? value : typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined
  return number !== undefined && Number.isFinite(number) && number >= 0 ? number : undefined
}

/** A truth value. */
export function boolField(conf: unknown, name: string): boolean | undefined {
  const value = field(conf, name)
  return typeof value === 'boolean' ? value : undefined
}
