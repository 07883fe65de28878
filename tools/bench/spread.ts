// Many rounds and zones in one figure: medians over complete rounds, the worst zone, and a line for the eye.
import { median, type Percentiles } from '../../packages/testkit/src/fleet/percentiles.ts'
import { type FleetStage, nacksOf, type Seen } from './fleet-stage.ts'
import type { FigureId } from './figures.ts'
import type { RunContext } from './run-context.ts'

/** The largest value of any zone. */
export function worst({ federation }: FleetStage, of: (zone: string) => number): number {
  return Math.max(...federation.zones.map(of))
}

/** The median over complete rounds of one measure of a zone's spread. */
export function over(rounds: readonly Seen[], zone: string, of: (spread: Percentiles) => number): number | undefined {
  return median(spreads(rounds, zone).map(of))
}

/** The longest any round took until the last proxy. */
export function worstRound(rounds: readonly Seen[], zone: string): number | undefined {
  const all = spreads(rounds, zone)
  return all.length === 0 ? undefined : Math.max(...all.map(({ max }) => max))
}

function spreads(rounds: readonly Seen[], zone: string): readonly Percentiles[] {
  return rounds.flatMap(({ reports, isComplete }) => {
    const report = reports.get(zone)
    return isComplete && report ? [report.reached] : []
  })
}

/** The four figures of a change at one zone that another hears of. */
export function putSpread(context: RunContext, { own, other }: FleetStage, rounds: readonly Seen[], step: 'services' | 'endpoints'): void {
  const put = (id: FigureId, zone: string, of: (spread: Percentiles) => number): void => context.put(id, over(rounds, zone, of))
  put(`${step}.ownP50`, own, ({ p50 }) => p50)
  put(`${step}.ownLast`, own, ({ max }) => max)
  if (own === other) return
  put(`${step}.otherP50`, other, ({ p50 }) => p50)
  put(`${step}.otherLast`, other, ({ max }) => max)
}

/** One change as a line of progress. */
export function told({ own, other, size }: FleetStage, { reports, isComplete }: Seen): string {
  const zones = own === other ? [own] : [own, other]
  const parts = zones.map((zone) => {
    const { count = 0, p50 = 0, max = 0 } = reports.get(zone)?.reached ?? {}
    return `${zone} ${count < size.sidecars ? `${count} of ${size.sidecars}, ` : ''}p50 ${p50.toFixed(0)} last ${max.toFixed(0)} ms`
  })
  return `${parts.join(', ')}; NACKs ${nacksOf(reports)}${isComplete ? '' : ' INCOMPLETE'}`
}
