// Percentages as Envoy counts them.
import type { Messages } from '@weft/proto'

const hundred = 0
const tenThousand = 1
const million = 2

/** The coarsest exact form of a percentage, rounded to four decimals; capped at 100. */
export function fractionalPercent(percent: number): Messages['envoy.type.v3.FractionalPercent'] {
  const parts = Math.round(Math.min(Math.max(percent, 0), 100) * 10_000)
  if (parts % 10_000 === 0) return { numerator: parts / 10_000, denominator: hundred }
  if (parts % 100 === 0) return { numerator: parts / 100, denominator: tenThousand }
  return { numerator: parts, denominator: million }
}
