// When two versions of a policy are the same for every proxy, so that an edit that changes nothing ends before any proxy is looked at. What the order
// of `to` entries and labels can mean is read in one place each: sortToEntries and isRelevant, comparePolicyRank, unselectedReason and kriOf.
import { field, isObject, listField } from '@weft/foundation/json'
import { canonicalJson, equalJson } from '@weft/foundation/schema'
import { labelKeys, type Resource } from '@weft/resources'
import { kindWeight, parseTargetRef, type TargetRef } from './target-ref.ts'

/** The labels by which a policy is selected, ordered and named. All others are for people. */
const readLabels = [
  labelKeys.displayName,
  labelKeys.namespace,
  labelKeys.zone,
  labelKeys.origin,
  labelKeys.policyRole,
  labelKeys.effect,
] as const

/** More entries than this are compared in their order only. */
const maxReordered = 500

/**
 * True when no proxy's configuration can tell two versions of one policy apart: they differ at most in labels that nothing reads, in times and versions,
 * and in the order of `to` entries of which no two that changed places can count for the same destination. A policy that others can name (a
 * route) shows all its labels and the positions of its entries.
 */
export function sameForProxies(a: Resource, b: Resource): boolean {
  if (a === b) return true
  if (kindWeight(a.type) > 0) return equalJson(a.labels, b.labels) && equalJson(a.spec, b.spec)
  return readLabels.every((key) => a.labels[key] === b.labels[key]) && sameSpec(a.spec, b.spec)
}

function sameSpec(a: unknown, b: unknown): boolean {
  if (equalJson(a, b)) return true
  if (!isObject(a) || !isObject(b)) return false
  const [left, right] = [listField(a, 'to'), listField(b, 'to')]
  return equalJson({ ...a, to: null }, { ...b, to: null }) && isReordered(left, right)
}

function isReordered(before: readonly unknown[], after: readonly unknown[]): boolean {
  if (before.length !== after.length || before.length < 2 || before.length > maxReordered) return false
  const places = placesIn(before, after)
  if (places === undefined) return false
  const refs = before.map((item) => parseTargetRef(field(item, 'targetRef')))
  return places.every((place, i) => {
    for (let j = i + 1; j < places.length; j++) {
      if (place > (places[j] ?? place) && ordered(refs[i], refs[j])) return false
    }
    return true
  })
}

/** Where each item of `before` is in `after`; equal items keep their order. Undefined unless it is the same items. */
function placesIn(before: readonly unknown[], after: readonly unknown[]): readonly number[] | undefined {
  const free = new Map<string, number[]>()
  after.forEach((item, place) => {
    const text = canonicalJson(item)
    const list = free.get(text)
    if (list) list.push(place)
    else free.set(text, [place])
  })
  const places: number[] = []
  for (const item of before) {
    const place = free.get(canonicalJson(item))?.shift()
    if (place === undefined) return undefined
    places.push(place)
  }
  return places
}

/** Whether the place of two entries in the list can matter: they are sorted alike, and some target is one that both count for. */
function ordered(a: TargetRef | undefined, b: TargetRef | undefined): boolean {
  if (a === undefined || b === undefined || a.kind !== b.kind) return false
  if (a.kind === 'Mesh') return true
  if (a.kind === 'MeshService' && a.sectionName !== b.sectionName) return false
  return !Object.entries(a.labels ?? {}).some(([key, value]) => {
    const other = b.labels !== undefined && Object.hasOwn(b.labels, key) ? b.labels[key] : undefined
    return other !== undefined && other !== value
  })
}
