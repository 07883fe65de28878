// How far changes have come as the replicas of a global know it together. Each follows the same changes, and each zone that has its streams there.
// What was reached stays true wherever it was seen; how far a zone is now, and what waits for it, is told by the replica that has it.
import type { ChangeInZone, ChangeReport, ChangeView, TypePositions, ZonePositions } from './sync-status.ts'

/** What one replica knows. */
export interface ChangesOfReplica {
  /** Zones that have streams there. */
  readonly connected: readonly string[]
  readonly report: ChangeReport
}

/** The newest `limit` changes. The same for whoever asks, in whichever order the replicas are. */
export function mergeChanges(replicas: readonly ChangesOfReplica[], limit: number): ChangeReport {
  const zones = mergePositions(replicas)
  const bySeq = new Map<number, ChangeView[]>()
  for (const { report } of replicas) for (const change of report.items) bySeq.set(change.seq, [...(bySeq.get(change.seq) ?? []), change])
  const newest = [...bySeq.keys()].sort((a, b) => b - a).slice(0, limit)
  return { items: newest.flatMap((seq) => mergeChange(bySeq.get(seq) ?? [], zones) ?? []), zones }
}

function mergePositions(replicas: readonly ChangesOfReplica[]): readonly ZonePositions[] {
  const names = new Set(replicas.flatMap(({ report }) => report.zones.map(({ zone }) => zone)))
  return [...names].sort().map((zone) => {
    const holders = replicas.filter(({ connected }) => connected.includes(zone))
    const types = new Map<string, TypePositions>()
    for (const { report } of holders.length > 0 ? holders : replicas) {
      for (const position of report.zones.find((each) => each.zone === zone)?.types ?? []) {
        const before = types.get(position.type)
        if (!before || isAhead(position, before)) types.set(position.type, position)
      }
    }
    return { zone, types: [...types.values()].sort((a, b) => (a.type < b.type ? -1 : 1)) }
  })
}

function isAhead(a: TypePositions, b: TypePositions): boolean {
  const [one, other] = [a, b].map(({ sent, stored, pushed, acked, refusing }) => [sent, stored, pushed, acked, refusing])
  const at = one?.findIndex((value, index) => value !== other?.[index]) ?? -1
  return at >= 0 && (one?.[at] ?? 0) > (other?.[at] ?? 0)
}

/** The same change as several know it. */
function mergeChange(views: readonly ChangeView[], positions: readonly ZonePositions[]): ChangeView | undefined {
  const [first] = views
  if (!first) return undefined
  const { zones: _, originSeq: __, ...same } = first
  const originSeq = views.find((view) => view.originSeq !== undefined)?.originSeq
  const known = new Map<string, ChangeInZone[]>()
  for (const each of views.flatMap(({ zones }) => zones)) {
    // who does not have the zone does not know what is sent there
    if (each.state !== 'waiting') known.set(each.zone, [...(known.get(each.zone) ?? []), each])
  }
  for (const { zone, types } of positions) {
    const sent = types.find(({ type }) => type === first.type)?.sent
    if (sent !== undefined && first.seq > sent && !known.has(zone)) known.set(zone, [{ zone, state: 'waiting' }])
  }
  const zones = [...known].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, each]) => mergeInZone(each) ?? [])
  return { ...same, ...(originSeq === undefined ? {} : { originSeq }), zones }
}

const order: readonly ChangeInZone['state'][] = ['waiting', 'sent', 'refused', 'stored', 'pushed', 'acked']

/** Who saw it later can only tell an upper bound of the time. */
function mergeInZone(seen: readonly ChangeInZone[]): ChangeInZone | undefined {
  const furthest = seen.toSorted((a, b) => order.indexOf(b.state) - order.indexOf(a.state))[0]
  if (!furthest) return undefined
  const [storedMs, pushedMs, ackedMs] = (['storedMs', 'pushedMs', 'ackedMs'] as const).map((stage) => leastOf(seen, stage))
  const refusing = seen.find((each) => each.ackedMs !== undefined && each.ackedMs === ackedMs)?.refusing
  return {
    zone: furthest.zone,
    state: furthest.state,
    ...(storedMs === undefined ? {} : { storedMs }),
    ...(pushedMs === undefined ? {} : { pushedMs }),
    ...(ackedMs === undefined ? {} : { ackedMs }),
    ...(refusing === undefined ? {} : { refusing }),
  }
}

function leastOf(seen: readonly ChangeInZone[], stage: 'storedMs' | 'pushedMs' | 'ackedMs'): number | undefined {
  const known = seen.flatMap((each) => each[stage] ?? [])
  return known.length === 0 ? undefined : Math.min(...known)
}
