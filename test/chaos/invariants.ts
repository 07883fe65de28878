// The eight promises of a federation, each a pure judgement of what happened. An empty answer means that it was kept.
import { type Happening, type Key, originOf, type Place } from './history.ts'

/** One broken promise, for whoever reads the report. */
export interface Violation {
  readonly invariant: Invariant
  readonly text: string
}

export const invariants = [
  'order',
  'convergence',
  'deletion-needs-evidence',
  'durability',
  'no-shrink',
  'single-session',
  'attribution',
  'gap-free-log',
] as const
export type Invariant = (typeof invariants)[number]

const violation = (invariant: Invariant, text: string): Violation => ({ invariant, text })

/** 1. Nobody sees an older value of a resource after a newer one. */
export function judgeOrder(happenings: readonly Happening[]): readonly Violation[] {
  const newest = new Map<string, number>()
  const found: Violation[] = []
  for (const each of happenings) {
    if (each.kind !== 'seen' || each.value === undefined) continue
    const at = `${each.by} ${each.key}`
    const before = newest.get(at) ?? -Infinity
    if (each.value < before) found.push(violation('order', `${each.by} saw ${each.key} = ${each.value} after ${before}`))
    else newest.set(at, each.value)
  }
  return found
}

/** Digests of what a place holds, and where resources of a type travel. */
export interface Holding {
  readonly place: Place
  readonly digests: ReadonlyMap<Key, string>
}

/** 2. Quiet: every place holds exactly what the origins have of the resources that travel to it. */
export function judgeConvergence(holdings: readonly Holding[], travels: (key: Key, to: Place) => boolean): readonly Violation[] {
  const found: Violation[] = []
  const origins = new Map(holdings.map((holding) => [holding.place, holding.digests]))
  for (const { place, digests } of holdings) {
    for (const [origin, originals] of origins) {
      if (origin === place) continue
      const due = [...originals].filter(([key]) => originOf(key) === origin && travels(key, place))
      for (const [key, digest] of due) {
        const held = digests.get(key)
        if (held === undefined) found.push(violation('convergence', `${place} lacks ${key} of ${origin}`))
        else if (held !== digest) found.push(violation('convergence', `${place} holds another ${key} than ${origin}`))
      }
    }
    for (const key of digests.keys()) {
      const origin = originOf(key)
      const originals = origins.get(origin)
      if (origin !== place && originals && travels(key, place) && !originals.has(key))
        found.push(violation('convergence', `${place} still holds ${key}, which ${origin} has no more`))
    }
  }
  return found
}

/** 3. What is gone anywhere was deleted at its origin before, or its place lost its memory. */
export function judgeDeletions(happenings: readonly Happening[]): readonly Violation[] {
  const deleted = new Set<Key>()
  /** Places that came back without state; what they had may be missing from their next lists. */
  const forgetful = new Set<Place>()
  const found: Violation[] = []
  for (const each of happenings) {
    if (each.kind === 'write') {
      if (each.value === undefined) deleted.add(each.key)
    } else if (each.kind === 'killed' && each.forgets) forgetful.add(each.place)
    else if (each.kind === 'gone' && !deleted.has(each.key) && !forgetful.has(each.place))
      found.push(violation('deletion-needs-evidence', `${each.key} is gone at ${each.place}, but ${originOf(each.key)} never deleted it`))
  }
  return found
}

/** 4. Where nothing is forgotten, what was acknowledged is there, or what was written later. `now` lists the values at the origins. */
export function judgeDurability(
  happenings: readonly Happening[],
  now: ReadonlyMap<Place, ReadonlyMap<Key, number | undefined>>,
): readonly Violation[] {
  const forgetful = new Set(happenings.flatMap((each) => (each.kind === 'killed' && each.forgets ? [each.place] : [])))
  const acknowledged = new Set(happenings.flatMap((each) => (each.kind === 'acknowledged' ? [each.id] : [])))
  const written = new Map<string, { readonly place: Place; readonly key: Key; possible: (number | undefined)[] }>()
  for (const each of happenings) {
    if (each.kind !== 'write' || forgetful.has(each.place)) continue
    const at = `${each.place} ${each.key}`
    const entry = written.get(at) ?? { place: each.place, key: each.key, possible: [undefined] }
    // an acknowledged write rules out everything before it; another may have happened or not
    entry.possible = acknowledged.has(each.id) ? [each.value] : [...entry.possible, each.value]
    written.set(at, entry)
  }
  const found: Violation[] = []
  for (const { place, key, possible } of written.values()) {
    const values = now.get(place)
    if (!values) continue
    const value = values.get(key)
    if (!possible.includes(value))
      found.push(violation('durability', `${place} has ${key} = ${value ?? 'nothing'}, acknowledged was ${possible.join(' or ')}`))
  }
  return found
}

/** 5. No proxy loses anything because control planes, peers and networks fail. */
export function judgeShrinking(happenings: readonly Happening[]): readonly Violation[] {
  return happenings.flatMap((each) => (each.kind === 'shrunk' ? [violation('no-shrink', `${each.proxy} lost ${each.what}`)] : []))
}

/** Two connections have no order between them: for so long, what was sent to the older session may arrive after the first of the newer one. */
const onTheWayMs = 1000

/** 6. A zone has one live session: one open subscription, and an older session is served nothing once a newer one was. */
export function judgeSessions(happenings: readonly Happening[]): readonly Violation[] {
  const order = new Map<Place, { readonly session: string; readonly since: number }[]>()
  const found: Violation[] = []
  for (const each of happenings) {
    if (each.kind === 'subscriptions' && each.open > 1)
      found.push(violation('single-session', `${each.zone} has ${each.open} open subscriptions`))
    if (each.kind !== 'served') continue
    const sessions = order.get(each.zone) ?? []
    order.set(each.zone, sessions)
    const last = sessions.at(-1)
    if (last?.session === each.session) continue
    if (!sessions.some(({ session }) => session === each.session)) sessions.push({ session: each.session, since: each.at })
    else if (last && each.at > last.since + onTheWayMs)
      found.push(violation('single-session', `${each.zone}: session ${each.session} was served after ${last.session} had taken over`))
  }
  return found
}

/** 7. No resource is labelled with a zone that did not make it. */
export function judgeAttribution(happenings: readonly Happening[]): readonly Violation[] {
  return happenings.flatMap((each) =>
    each.kind === 'author' && each.author !== each.zone
      ? [violation('attribution', `${each.place} attributes ${each.key} of ${each.author} to ${each.zone || 'global'}`)]
      : [],
  )
}

/** One entry of a store's change log. */
export interface LogEntry {
  readonly seq: number
  readonly class: string
  readonly op: string
  readonly type: string
  readonly name: string
  readonly value: number | undefined
}

/** A store's change log as it is on disk. */
export interface ChangeLogCopy {
  readonly place: Place
  /** Where the store says it is. */
  readonly seq: number
  /** Ascending. */
  readonly entries: readonly LogEntry[]
}

/** 8. The log has no gap where nothing was pruned, ends where the store is, and has every acknowledged write of this place once, in order. */
export function judgeLog(happenings: readonly Happening[], log: ChangeLogCopy): readonly Violation[] {
  const found: Violation[] = []
  const say = (text: string): void => void found.push(violation('gap-free-log', `${log.place}: ${text}`))
  // observed entries are pruned from the oldest; from the first that is left on, nothing may be missing
  const from = log.entries.find((entry) => entry.class === 'observed')?.seq ?? log.entries[0]?.seq ?? 0
  let before: number | undefined
  for (const { seq } of log.entries) {
    if (before !== undefined && seq <= before) say(`entry ${seq} after ${before}`)
    if (before !== undefined && before >= from && seq > before + 1) say(`nothing between ${before} and ${seq}`)
    before = seq
  }
  if (before !== undefined && before !== log.seq) say(`ends at ${before}, the store is at ${log.seq}`)
  // a deletion that found nothing has no entry: one of the same name before it, which nobody heard the answer of, has
  const acknowledged = new Set(
    happenings.flatMap((each) => (each.kind === 'acknowledged' && each.changedNothing !== true ? [each.id] : [])),
  )
  const desired = log.entries.filter((entry) => entry.class === 'desired')
  let at = 0
  for (const each of happenings) {
    if (each.kind !== 'write' || each.place !== log.place || !acknowledged.has(each.id)) continue
    const [type, , , name] = each.key.split('|')
    const next = desired.findIndex(
      (entry, index) =>
        index >= at &&
        entry.type === type &&
        entry.name === name &&
        (each.value === undefined ? entry.op === 'delete' : entry.value === each.value),
    )
    if (next < 0) say(`the acknowledged write ${each.key} = ${each.value ?? 'deleted'} is missing or out of order`)
    else at = next + 1
  }
  return found
}
