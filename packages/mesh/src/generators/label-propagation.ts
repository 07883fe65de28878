// Labels of dataplanes that a generated MeshService takes over (contract/resources.md section 4, label propagation). For each key the value of most
// dataplanes counts, then the newest one's, then the first in order. Every key taken over is marked on the service by a label of its own, so
// that it can go when no dataplane has it any more; labels that others put on the service stay.
import { createHash } from 'node:crypto'
import { labelViolations, type Labels, sortLabels } from '@weft/resources'
import type { LabelPropagation } from '../settings.ts'

const markPrefix = 'kuma.io/pkey-'
const reservedPrefixes = ['kuma.io/', 'k8s.kuma.io/']

interface Candidate {
  readonly labels: Labels
  readonly creationTime: string
}

interface Votes {
  count: number
  newest: number
}

/** What the dataplanes of a service agree on. Reserved keys, those that are not allowed and those that no label may have are left out. */
export function propagatedLabels(dataplanes: readonly Candidate[], settings: LabelPropagation): Labels {
  const allowed = settings.allowedKeys.length > 0 ? new Set(settings.allowedKeys) : undefined
  const byKey = new Map<string, Map<string, Votes>>()
  for (const { labels, creationTime } of dataplanes) {
    const created = Date.parse(creationTime) || 0
    for (const [key, value] of Object.entries(labels)) {
      if (isReservedLabelKey(key) || (allowed && !allowed.has(key)) || labelViolations({ [key]: value }).length > 0) continue
      const values = byKey.get(key) ?? new Map<string, Votes>()
      byKey.set(key, values)
      const votes = values.get(value) ?? { count: 0, newest: 0 }
      values.set(value, votes)
      votes.count++
      votes.newest = Math.max(votes.newest, created)
    }
  }
  return sortLabels(new Map([...byKey].map(([key, values]) => [key, winner(values)])))
}

/** Labels of a service after a change of what its dataplanes agree on. */
export function applyPropagated(before: Labels, propagated: Labels): Labels {
  const isMarked = marksOf(before)
  const labels = new Map(Object.entries(before).filter(([key]) => !key.startsWith(markPrefix) && !isMarked(key)))
  for (const [key, value] of Object.entries(propagated)) labels.set(key, value).set(markOf(key), '')
  return sortLabels(labels)
}

/** True for keys that only control planes write: they are never propagated. */
export function isReservedLabelKey(key: string): boolean {
  return reservedPrefixes.some((prefix) => key.startsWith(prefix))
}

function winner(values: ReadonlyMap<string, Votes>): string {
  const [best] = [...values].sort(([a, x], [b, y]) => y.count - x.count || y.newest - x.newest || (a < b ? -1 : 1))
  return best?.[0] ?? ''
}

/** The key's name cannot be the value of a label when it holds a slash, so its hash is part of the mark's key. */
function markOf(key: string): string {
  return markPrefix + createHash('sha256').update(key).digest('hex').slice(0, 16)
}

/** Older control planes wrote the key as the value of a numbered mark. Reserved keys are never taken for propagated ones. */
function marksOf(labels: Labels): (key: string) => boolean {
  const marks = Object.entries(labels).filter(([key]) => key.startsWith(markPrefix))
  if (marks.length === 0) return () => false
  const hashed = new Set(marks.flatMap(([key, value]) => (value === '' ? [key] : [])))
  const named = new Set(marks.flatMap(([, value]) => (value === '' ? [] : [value])))
  return (key) => !isReservedLabelKey(key) && (named.has(key) || hashed.has(markOf(key)))
}
