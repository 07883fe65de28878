// Rules for single values that many policies share, with the peers' wording (contract/policies.md section 2).
import type { Violation } from '@weft/foundation/errors'
import { parseDuration } from '@weft/foundation/time'

export const mustBeDefined = 'must be defined'
export const mustNotBeDefined = 'must not be defined'
export const mustNotBeEmpty = 'must not be empty'

/** A Go duration; negative ones pass the schema and are refused by the rules of their field. */
export const duration = { type: 'string', format: 'duration' } as const
export const uint32 = { type: 'integer', minimum: 0, maximum: 4294967295 } as const
export const int32 = { type: 'integer', minimum: -2147483648, maximum: 2147483647 } as const

/** Largest duration proxies take, in milliseconds (about 10,000 years). */
const maxDurationMs = 315_576_000_000 * 1000

function checkDuration(text: string | undefined, field: string, wrong: (ms: number) => string | undefined): readonly Violation[] {
  if (text === undefined) return []
  const ms = parseDuration(text) ?? Number.NaN
  const message = ms > maxDurationMs ? 'is too long' : wrong(ms)
  return message === undefined ? [] : [{ field, message }]
}

/** Absent, or more than nothing. */
export function positiveDuration(text: string | undefined, field: string): readonly Violation[] {
  return checkDuration(text, field, (ms) => (ms > 0 ? undefined : 'must be greater than zero when defined'))
}

/** Absent, or not negative. */
export function nonNegativeDuration(text: string | undefined, field: string): readonly Violation[] {
  return checkDuration(text, field, (ms) => (ms >= 0 ? undefined : 'must not be negative when defined'))
}

/** Absent, or at least 1. */
export function positiveInteger(value: number | undefined, field: string): readonly Violation[] {
  return value === undefined || value > 0 ? [] : [{ field, message: 'must be greater than 0' }]
}

/** Absent, or a whole percentage. */
export function integerPercentage(value: number | undefined, field: string): readonly Violation[] {
  return value === undefined || (value >= 0 && value <= 100) ? [] : [{ field, message: 'must be in inclusive range [0, 100]' }]
}

/** The number an int-or-string stands for; undefined when the text is not a decimal number. */
export function decimalOf(value: number | string): number | undefined {
  if (typeof value === 'number') return value
  return /^[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})$/.test(value) ? Number(value) : undefined
}

/** Absent, or a decimal percentage. */
export function percentage(value: number | string | undefined, field: string): readonly Violation[] {
  if (value === undefined) return []
  const number = decimalOf(value)
  if (number === undefined) return [{ field, message: 'string must be a valid number' }]
  return number >= 0 && number <= 100 ? [] : [{ field, message: 'must be in inclusive range [0.0, 100.0]' }]
}

/** A percentage that must be given. */
export function requiredPercentage(value: number | string | undefined, field: string): readonly Violation[] {
  return value === undefined ? [{ field, message: mustBeDefined }] : percentage(value, field)
}

/** An HTTP status code. */
export function statusCode(value: number, field: string): readonly Violation[] {
  return value >= 100 && value <= 599 ? [] : [{ field, message: 'must be in inclusive range [100, 599]' }]
}

/** An absolute path of a file; not a folder's name with a trailing slash. */
export function isFilePath(text: string): boolean {
  return /^(\/[^/\0]*)+\/?$/.test(text)
}

/** A port number. */
export function portNumber(value: number, field: string): readonly Violation[] {
  return value >= 1 && value <= 65535 ? [] : [{ field, message: 'port must be a valid (1-65535)' }]
}
