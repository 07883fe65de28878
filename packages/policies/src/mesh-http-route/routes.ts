// The routes of an HTTP outbound: rules of all MeshHTTPRoutes for its destination, sorted by how specific their matches are, and a last one for
// every other request (contract/policies.md section 3.5).
import { field, listField } from '@weft/foundation/json'
import { defaultRouteName } from '@weft/envoy'
import { canonicalJson } from '@weft/foundation/schema'
import {
  type BackendRef,
  type MergeSpec,
  type OutboundRule,
  parseBackendRef,
  type ResolvedBackend,
  resolveBackendRef,
  type ToEntry,
} from '@weft/policy'
import { kriText, type Resource } from '@weft/resources'
import type { SplitScope } from '../mesh-tcp-route/splits.ts'
import type { HttpMatch, RouteModel, SplitModel } from '../route-model.ts'
import { compareHttpMatches, isCatchAll, readFilters, readHttpMatch } from './rules.ts'

/** How the `to` items of several routes for one destination become one list of rules. */
export const httpRouteMerge: { readonly confOf: (item: unknown) => unknown; readonly merge: MergeSpec } = {
  confOf: (item) => ({ rules: listField(item, 'rules') }),
  merge: { keyed: { list: 'rules', key: 'matches', value: 'default', firstWins: true } },
}

/** Routes of an outbound. */
export interface HttpRouting {
  readonly routes: readonly RouteModel[]
  /** The policy behind each route name; the last route of every outbound has none. */
  readonly policies: ReadonlyMap<string, Resource>
}

const everyRequest: HttpMatch = { path: { type: 'PathPrefix', value: '/' }, method: undefined, headers: [], queryParams: [] }
const defaultWeight = 100

/** The routes of a destination by the merged rule of its MeshHTTPRoutes; without one the route that leads to the destination itself. */
export function httpRoutesOf(rule: OutboundRule | undefined, scope: SplitScope): HttpRouting {
  const own: SplitModel = { backend: { name: undefined, kind: scope.destination.kind }, weight: defaultWeight }
  const last: RouteModel = {
    name: defaultRouteName,
    match: everyRequest,
    splits: [own],
    unresolvedWeight: 0,
    totalWeight: defaultWeight,
    filters: [],
  }
  const policies = new Map<string, Resource>()
  const routes: RouteModel[] = []
  if (rule !== undefined) {
    const origins = originsOf(rule.entries)
    for (const item of listField(rule.conf, 'rules')) {
      const origin = origins.get(canonicalJson(field(item, 'matches')))
      if (origin === undefined) continue
      const name = kriText('mhttpr', origin.entry.policy, `rule_${origin.entry.index}`)
      policies.set(name, origin.entry.policy)
      routes.push(...routesOfRule(item, { name, own, scope, refsOf: origin.refsOf.policy }))
    }
  }
  const sorted = routes.toSorted((a, b) => compareHttpMatches(a.match, b.match))
  return { routes: sorted.some((route) => isCatchAll(route.match)) ? sorted : [...sorted, last], policies }
}

interface RuleScope {
  readonly name: string
  readonly own: SplitModel
  readonly scope: SplitScope
  /** Policy whose namespace counts for the references. */
  readonly refsOf: Resource
}

function routesOfRule(item: unknown, { name, own, scope, refsOf }: RuleScope): readonly RouteModel[] {
  const conf = field(item, 'default')
  const refs = field(conf, 'backendRefs')
  const resolve = (value: unknown) => resolveHttp(parseBackendRef(value, refsOf), scope)
  const splits: SplitModel[] = []
  let total = 0
  let unresolved = 0
  // An empty list means the same as none: the destination itself.
  if (Array.isArray(refs) && refs.length > 0) {
    for (const value of refs) {
      const weight = parseBackendRef(value, refsOf)?.weight ?? 1
      const backend = weight === 0 ? undefined : resolve(value)
      total += weight
      if (backend === undefined) unresolved += weight
      else splits.push({ backend: { name: backend.name, kind: backend.destination.kind }, weight })
    }
  } else {
    splits.push(own)
    total = own.weight
  }
  const filters = readFilters(conf, (value) => {
    const backend = resolve(value)
    return backend === undefined ? undefined : { name: backend.name, kind: backend.destination.kind }
  })
  return listField(item, 'matches').flatMap((value) => {
    const match = readHttpMatch(value)
    return match === undefined ? [] : [{ name, match, splits, unresolvedWeight: unresolved, totalWeight: total, filters }]
  })
}

/** A backend of an HTTP route must speak HTTP. */
function resolveHttp(ref: BackendRef | undefined, scope: SplitScope): ResolvedBackend | undefined {
  const backend = ref === undefined ? undefined : resolveBackendRef(ref, scope.lookup)
  if (backend === undefined || backend.destination.protocol === 'tcp') return undefined
  scope.extras.set(backend.name, backend)
  return backend
}

interface Origin {
  /** The strongest entry with these matches: it names the route. */
  readonly entry: ToEntry
  /** The strongest of them that has backend references. */
  readonly refsOf: ToEntry
}

/** By the text of the matches: who names the route, and whose references it has. */
export function originsOf(
  entries: readonly ToEntry[],
): ReadonlyMap<string, { readonly entry: ToEntry; readonly refsOf: { readonly policy: Resource } }> {
  const origins = new Map<string, Origin>()
  for (const entry of entries) {
    for (const rule of listField(entry.item, 'rules')) {
      const key = canonicalJson(field(rule, 'matches'))
      const hasRefs = Array.isArray(field(field(rule, 'default'), 'backendRefs'))
      origins.set(key, { entry, refsOf: hasRefs ? entry : (origins.get(key)?.refsOf ?? entry) })
    }
  }
  return origins
}
