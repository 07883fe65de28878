// Outbound rules: what the `to` lists of the policies of one kind say for a destination, a port of it, a route or the mesh
// (contract/policies.md section 1.5). One computation serves proxies, inspection and previews.
import { field, listField } from '@weft/foundation/json'
import type { DestinationFact, DestinationKind } from '@weft/facts'
import type { Labels, Resource } from '@weft/resources'
import { displayName, labelKeys } from '@weft/resources'
import { type MergeSpec, mergeConf } from './merge.ts'
import { type Entry, sortToEntries } from './order.ts'
import { labelsMatch, parseTargetRef, type TargetRef } from './target-ref.ts'

/** The thing a rule is asked for. `section` is a port of a destination; undefined asks for the destination as a whole. */
export type OutboundTarget =
  | { readonly kind: 'Mesh' }
  | DestinationTarget
  | { readonly kind: 'MeshHTTPRoute'; readonly labels: Labels; readonly displayName: string }

/** A destination as the target of a rule. */
export interface DestinationTarget {
  readonly kind: DestinationKind
  readonly labels: Labels
  readonly displayName: string
  readonly section: string | undefined
}

/** One item of a `to` list with its reference. */
export interface ToEntry extends Entry {
  readonly ref: TargetRef
}

/** The merged conf for a target with the entries it was made of, weakest first. */
export interface OutboundRule {
  readonly conf: Readonly<Record<string, unknown>>
  readonly entries: readonly ToEntry[]
}

/** Every usable `to` entry, weakest first. Entries whose reference cannot be understood are left out. */
export function toEntries(policies: readonly Resource[]): readonly ToEntry[] {
  const entries: ToEntry[] = []
  for (const policy of policies) {
    listField(policy.spec, 'to').forEach((item, index) => {
      const ref = parseTargetRef(field(item, 'targetRef'))
      if (ref !== undefined) entries.push({ policy, index, item, ref })
    })
  }
  return sortToEntries(entries)
}

/** The target of one port of a destination. */
export function portTarget(destination: DestinationFact): DestinationTarget {
  return { kind: destination.kind, labels: destination.labels, displayName: destination.displayName, section: destination.portName }
}

/** The target of a route policy. */
export function routeTarget(route: Resource): OutboundTarget {
  return { kind: 'MeshHTTPRoute', labels: route.labels, displayName: displayName(route) }
}

/**
 * True when the entry counts for the target: entries for the mesh count for all; entries for a service count for it and its ports; entries for a
 * route count for it alone, and a route takes nothing from its destination (contract/policies.md section 6 hazard 18).
 */
export function isRelevant(entry: ToEntry, target: OutboundTarget): boolean {
  const { ref } = entry
  if (ref.kind === 'Mesh') return true
  if (target.kind === 'Mesh' || ref.kind !== target.kind || ref.labels === undefined) return false
  if (!labelsMatch(ref.labels, target.labels, target.displayName)) return false
  if (target.kind === 'MeshHTTPRoute' || target.kind === 'MeshExternalService') return true
  return ref.sectionName === undefined || ref.sectionName === target.section
}

/** The entries that count for the target, in their order. */
export function relevantEntries(entries: readonly ToEntry[], target: OutboundTarget): readonly ToEntry[] {
  return possibleEntries(entries, target).filter((entry) => isRelevant(entry, target))
}

/** The rule for a target from entries in their order; undefined when none is relevant. The conf of an entry is its `default` unless `confOf` says otherwise. */
export function outboundRule(
  entries: readonly ToEntry[],
  target: OutboundTarget,
  options: { readonly merge?: MergeSpec; readonly confOf?: (item: unknown) => unknown } = {},
): OutboundRule | undefined {
  return mergedRule(relevantEntries(entries, target), options)
}

/** The rule that these entries make; undefined when none has a conf. All of them must be relevant for the same target. */
export function mergedRule(
  relevant: readonly ToEntry[],
  options: { readonly merge?: MergeSpec; readonly confOf?: (item: unknown) => unknown } = {},
): OutboundRule | undefined {
  const confOf = options.confOf ?? defaultOf
  const conf = mergeConf(
    relevant.map((entry) => confOf(entry.item)),
    options.merge,
  )
  return conf === undefined ? undefined : { conf, entries: relevant }
}

/** The rule that only exists when an entry names the target itself, and not just the mesh: the innermost step of the lookup chain. */
export function directRule(
  entries: readonly ToEntry[],
  target: OutboundTarget,
  options: { readonly merge?: MergeSpec; readonly confOf?: (item: unknown) => unknown } = {},
): OutboundRule | undefined {
  const named = possibleEntries(entries, target).some((entry) => entry.ref.kind !== 'Mesh' && isRelevant(entry, target))
  return named ? outboundRule(entries, target, options) : undefined
}

/** A rule for inspection: one for every target that some entry names. */
export interface ResourceRule<T> extends OutboundRule {
  readonly target: T
}

/** The rules for all candidates that at least one entry names, in the order of the candidates (contract/policies.md section 1.5 ResourceRules). */
export function outboundRules<T>(
  policies: readonly Resource[],
  candidates: readonly { readonly target: OutboundTarget; readonly of: T }[],
  options: { readonly merge?: MergeSpec; readonly confOf?: (item: unknown) => unknown } = {},
): readonly ResourceRule<T>[] {
  const entries = toEntries(policies)
  const rules: ResourceRule<T>[] = []
  for (const { target, of } of candidates) {
    if (!possibleEntries(entries, target).some((entry) => names(entry, target))) continue
    const rule = outboundRule(entries, target, options)
    if (rule !== undefined) rules.push({ ...rule, target: of })
  }
  return rules
}

interface EntryIndex {
  /** Entries that ask for this display name, and all that ask for none, in their order. */
  readonly byName: ReadonlyMap<string, readonly ToEntry[]>
  readonly nameless: readonly ToEntry[]
}

/** Lists shorter than this are searched as they are. */
const smallList = 8
const indexes = new WeakMap<readonly ToEntry[], EntryIndex>()

/** Entries that may count for the target, in their order: most name one service, and meshes have many. */
function possibleEntries(entries: readonly ToEntry[], target: OutboundTarget): readonly ToEntry[] {
  if (entries.length < smallList) return entries
  let index = indexes.get(entries)
  if (index === undefined) {
    index = indexEntries(entries)
    indexes.set(entries, index)
  }
  return target.kind === 'Mesh' ? index.nameless : (index.byName.get(target.displayName) ?? index.nameless)
}

function indexEntries(entries: readonly ToEntry[]): EntryIndex {
  const names = new Set(entries.flatMap((entry) => nameOf(entry) ?? []))
  const nameless: ToEntry[] = []
  const byName = new Map<string, ToEntry[]>([...names].map((name) => [name, []]))
  const positions = new Map(entries.map((entry, position) => [entry, position]))
  for (const entry of entries) {
    const name = nameOf(entry)
    if (name === undefined) nameless.push(entry)
    else byName.get(name)?.push(entry)
  }
  for (const list of byName.values()) {
    list.push(...nameless)
    list.sort((a, b) => (positions.get(a) ?? 0) - (positions.get(b) ?? 0))
  }
  return { byName, nameless }
}

function nameOf(entry: ToEntry): string | undefined {
  return entry.ref.labels?.[labelKeys.displayName]
}

/** True when the entry's reference resolves to exactly this target, section included. */
function names(entry: ToEntry, target: OutboundTarget): boolean {
  if (entry.ref.kind === 'Mesh') return target.kind === 'Mesh'
  if (!isRelevant(entry, target)) return false
  return (
    target.kind === 'Mesh' ||
    target.kind === 'MeshHTTPRoute' ||
    target.kind === 'MeshExternalService' ||
    entry.ref.sectionName === target.section
  )
}

function defaultOf(item: unknown): unknown {
  return field(item, 'default')
}
