// Where each field of a merged conf comes from: the same fold as the merge, with the authors kept (contract/policies.md section 1.5).
import { field, isObject } from '@weft/foundation/json'
import { canonicalJson } from '@weft/foundation/schema'
import type { MergeSpec } from './merge.ts'

/** One field of a merged conf. */
export interface FieldOrigin<A> {
  /** `http.requestTimeout`; of a keyed list `rules[<key as JSON>].filters`. */
  readonly path: string
  readonly value: unknown
  /** Who set the value: one author, or all that added to it. Never empty. */
  readonly from: readonly A[]
  /** Weaker authors whose value is not used, weakest first. */
  readonly overridden: readonly A[]
}

/** The fields of the merge of the confs, weakest first, sorted by path. Lists count as one field, except those that grow or are keyed. */
export function fieldOrigins<A>(
  confs: readonly { readonly author: A; readonly conf: unknown }[],
  spec: MergeSpec = {},
): readonly FieldOrigin<A>[] {
  const fields = new Map<string, FieldOrigin<A>>()
  for (const { author, conf } of confs) {
    if (isObject(conf)) visit(fields, { prefix: '', author, conf, spec })
  }
  return [...fields.values()].toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
}

interface Visit<A> {
  readonly prefix: string
  readonly author: A
  readonly conf: Readonly<Record<string, unknown>>
  readonly spec: MergeSpec
}

function visit<A>(fields: Map<string, FieldOrigin<A>>, { prefix, author, conf, spec }: Visit<A>): void {
  for (const [key, value] of Object.entries(conf)) {
    if (value === undefined || value === null) continue
    const path = prefix === '' ? key : `${prefix}.${key}`
    if (isObject(value)) visit(fields, { prefix: path, author, conf: value, spec: {} })
    else if (Array.isArray(value) && spec.keyed?.list === key) visitKeyed(fields, { path, author, items: value, spec })
    else if (Array.isArray(value) && /^append(?:[A-Z]|$)/.test(key)) grow(fields, { path, author, items: value })
    else replace(fields, { path, author, value })
  }
}

interface KeyedVisit<A> {
  readonly path: string
  readonly author: A
  readonly items: readonly unknown[]
  readonly spec: MergeSpec
}

/** Within one conf the first item of a key wins where the kind says so; then the strongest field is set last. */
function visitKeyed<A>(fields: Map<string, FieldOrigin<A>>, { path, author, items, spec }: KeyedVisit<A>): void {
  const { keyed } = spec
  if (keyed === undefined) return
  for (const item of keyed.firstWins ? items.toReversed() : items) {
    const conf = field(item, keyed.value)
    const prefix = `${path}[${canonicalJson(field(item, keyed.key))}]`
    if (isObject(conf)) visit(fields, { prefix, author, conf, spec: {} })
  }
}

function replace<A>(
  fields: Map<string, FieldOrigin<A>>,
  { path, author, value }: { readonly path: string; readonly author: A; readonly value: unknown },
): void {
  const before = fields.get(path)
  fields.set(path, { path, value, from: [author], overridden: before ? [...before.overridden, ...before.from] : [] })
}

function grow<A>(
  fields: Map<string, FieldOrigin<A>>,
  { path, author, items }: { readonly path: string; readonly author: A; readonly items: readonly unknown[] },
): void {
  const before = fields.get(path)
  const earlier = Array.isArray(before?.value) ? before.value : []
  fields.set(path, { path, value: [...earlier, ...items], from: [...(before?.from ?? []), author], overridden: before?.overridden ?? [] })
}
