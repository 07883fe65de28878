// From proxy facts to snapshots: the shared cells of outbounds, assignments and trust, and the few resources of the proxy itself.
// A resource that cannot be built keeps its last good content and stops nothing else (architecture.md section 6).
import type { LoadAssignmentFact, ProxyFacts, TrustFact } from '@weft/facts'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { warmCodecs } from '@weft/envoy'
import { effectiveProxy } from '@weft/policies'
import type { DestinationLookup } from '@weft/policy'
import { createCell, type EncodedResource, type ProxySnapshot, type ResourceCell, type XdsType } from '@weft/xds'
import { describeSnapshot, type ProxyDescription } from './describe.ts'
import { traitsOf } from './features.ts'
import type { AdminCertificate } from './generators/admin.ts'
import { createLoadAssignments } from './load-assignments.ts'
import { createOutboundGroups, namedClusters, sameCells } from './outbound-groups.ts'
import { type OwnInput, type OwnParts, type OwnResources, ownResources, sameItems } from './own-resources.ts'
import type { BuildProblem, ResourceProblem } from './problem.ts'
import { createIdentities, createTrustBundles, type IdentityCertificate } from './secrets.ts'
import { egressRoutesOf, ingressRoutesOf } from './zone-routes.ts'
import { createSharedOutbounds } from './shared-outbounds.ts'

export interface ProxyBuilderOptions {
  readonly log: Logger
  readonly metrics: Metrics
  /** Destinations of a mesh, for the backend references of routes. Its identity must change when destinations do. */
  readonly destinations: (mesh: string) => DestinationLookup
  /** Certificate of a proxy's admin listener; must return the same object while nothing changed. Undefined: no admin access over TLS. */
  readonly adminCertificate: (facts: ProxyFacts) => AdminCertificate | undefined
  /** Told every problem that the previous build of the same proxy did not have. */
  readonly onProblem?: (problem: BuildProblem) => void
}

export interface ProxyBuilder {
  /** The snapshot for these facts: the previous object while the set of cells stays the same. Never throws for a part of the configuration. */
  build(facts: ProxyFacts): ProxySnapshot
  /** What `build` would give, as JSON, without any effect on what is served. */
  preview(facts: ProxyFacts): ProxyDescription
  /** Forgets a proxy and its certificates. */
  remove(proxyKey: string): void
  setLoadAssignment(fact: LoadAssignmentFact): void
  removeLoadAssignment(id: string): void
  setIngressAssignment(fact: LoadAssignmentFact): void
  removeIngressAssignment(id: string): void
  setTrust(trust: TrustFact): void
  /** Replaces the certificate of a proxy; no other resource changes. */
  setIdentity(proxyKey: string, certificate: IdentityCertificate): void
  /** The cell of a proxy's certificate; undefined before it has an identity. */
  identitySecret(proxyKey: string): ResourceCell | undefined
  /** What was wrong in the last build of a proxy; empty when nothing was. */
  problems(proxyKey: string): readonly BuildProblem[]
  /** The last built configuration as JSON by type URL and name; undefined for a proxy never built. */
  describe(proxyKey: string): ProxyDescription | undefined
}

interface ProxyState {
  /** False for a preview, which must not change what others are served. */
  readonly served: boolean
  snapshot: ProxySnapshot
  readonly own: { readonly cluster: Map<string, ResourceCell>; readonly listener: Map<string, ResourceCell> }
  /** Identities of everything the own resources were built from. */
  ownInputs: readonly unknown[]
  ownProblems: readonly ResourceProblem[]
  readonly ownParts: OwnParts
  /** Problems of the last build, each under the text of all its parts. */
  problems: ReadonlyMap<string, BuildProblem>
}

const noProblems: ReadonlyMap<string, BuildProblem> = new Map()
const emptySnapshot: ProxySnapshot = { cluster: new Map(), endpoint: new Map(), listener: new Map(), secret: new Map() }

function freshState(served: boolean): ProxyState {
  return {
    served,
    snapshot: emptySnapshot,
    own: { cluster: new Map(), listener: new Map() },
    ownInputs: [],
    ownProblems: [],
    ownParts: new Map(),
    problems: noProblems,
  }
}

/** Creates a builder that knows no proxy yet. */
export function createProxyBuilder(options: ProxyBuilderOptions): ProxyBuilder {
  warmCodecs()
  const { metrics } = options
  const seconds = metrics.histogram('proxy_build_seconds', 'Time to build the snapshot of one proxy.')
  const encodes = metrics.counter('proxy_encodes_total', 'Resources encoded, by type and whether proxies share them.', ['type', 'scope'])
  const problemCount = metrics.counter('proxy_build_problems_total', 'Resources or policies that failed while a proxy was built.', ['type'])
  const onEncode = (type: XdsType): void => encodes.inc({ type, scope: 'shared' })

  const shared = createSharedOutbounds(onEncode)
  const assignments = createLoadAssignments(onEncode)
  const ingressAssignments = createLoadAssignments(onEncode)
  const groups = createOutboundGroups(shared, assignments)
  const trusts = createTrustBundles(onEncode)
  const identities = createIdentities()
  const states = new Map<string, ProxyState>()

  const assemble = (facts: ProxyFacts, state: ProxyState): readonly ResourceProblem[] => {
    const traits = traitsOf(facts)
    const lookup = options.destinations(facts.mesh)
    const group = groups.of(facts, traits, lookup)
    const whole = effectiveProxy(facts.policies)
    const problems: ResourceProblem[] = whole.problems.map(({ type, message }) => ({
      type: 'listener',
      resource: '*',
      policy: type,
      message,
    }))
    problems.push(...group.problems)
    const next = { cluster: new Map(group.clusters), endpoint: new Map(group.endpoints), listener: new Map(group.listeners) }
    for (const { type, name } of group.missing) {
      const cell = state.snapshot[type].get(name)
      if (cell !== undefined) next[type].set(name, cell)
    }

    const ingressRoutes = ingressRoutesOf(facts, next.cluster, problems)
    for (const { cluster, destination } of ingressRoutes) {
      const made = shared.ingressCluster({ name: cluster }, destination, whole.raw)
      problems.push(...made.problems)
      const cell = made.cell ?? state.snapshot.cluster.get(cluster)
      if (!made.removed && cell !== undefined) next.cluster.set(cluster, cell)
      next.endpoint.set(cluster, ingressAssignments.cell(destination.id, cluster))
    }

    const egressRoutes = egressRoutesOf(facts, { taken: next.cluster, lookup }, problems)
    const named = group.missing.length === 0 ? group.named : namedClusters(group.named.names.filter((name) => next.cluster.has(name)))
    updateOwn(facts, { traits, ingressRoutes, egressRoutes, outboundConfs: group.confs, named, state })
    problems.push(...state.ownProblems)
    for (const [name, cell] of state.own.cluster) next.cluster.set(name, cell)
    for (const [name, cell] of state.own.listener) next.listener.set(name, cell)

    if (facts.trust !== undefined && state.served) trusts.set(facts.trust)
    const snapshot: ProxySnapshot = { ...next, secret: secretsFor(facts) }
    if (!sameSnapshot(state.snapshot, snapshot)) state.snapshot = snapshot
    return problems
  }

  const secretsFor = (facts: ProxyFacts): ReadonlyMap<string, ResourceCell> => {
    const secrets = new Map<string, ResourceCell>()
    if (facts.identity === undefined) return secrets
    for (const cell of [identities.cell(facts.key, facts.identity.kri), trusts.cell(facts.mesh)]) secrets.set(cell.name, cell)
    return secrets
  }

  const updateOwn = (facts: ProxyFacts, { state, ...given }: Omit<OwnInput, 'facts' | 'certificate'> & { state: ProxyState }): void => {
    const certificate = options.adminCertificate(facts)
    const input: OwnInput = { facts, certificate, ...given }
    const inputs = ownInputsOf(input)
    if (sameItems(inputs, state.ownInputs)) return
    const own: OwnResources = ownResources(input, state.ownParts)
    state.ownInputs = inputs
    state.ownProblems = own.problems
    const failed = new Set(own.problems.filter((problem) => problem.policy === undefined).map((problem) => problem.resource))
    replaceCells('cluster', state.own.cluster, { built: own.clusters, failed })
    replaceCells('listener', state.own.listener, { built: own.listeners, failed })
    encodes.inc({ type: 'cluster', scope: 'own' }, own.clusters.size)
    encodes.inc({ type: 'listener', scope: 'own' }, own.listeners.size)
  }

  /** Tells what is new and returns all. A problem that lasts is told once, however often the proxy is built. */
  const report = (
    proxy: string,
    found: readonly ResourceProblem[],
    before: ReadonlyMap<string, BuildProblem>,
  ): ReadonlyMap<string, BuildProblem> => {
    if (found.length === 0) return noProblems
    const all = new Map<string, BuildProblem>()
    for (const part of found) {
      const problem = { proxy, ...part }
      const key = `${problem.type} ${problem.resource} ${problem.policy ?? ''} ${problem.message}`
      if (all.has(key)) continue
      all.set(key, problem)
      if (before.has(key)) continue
      const { type, resource, policy, message } = problem
      problemCount.inc({ type })
      options.log.warn({ proxy, type, name: resource, policy, reason: message }, 'part of a proxy cannot be built')
      options.onProblem?.(problem)
    }
    return all
  }

  const build = (facts: ProxyFacts): ProxySnapshot => {
    const started = performance.now()
    let state = states.get(facts.key)
    if (state === undefined) {
      state = freshState(true)
      states.set(facts.key, state)
    }
    state.problems = report(facts.key, assemble(facts, state), state.problems)
    seconds.observe((performance.now() - started) / 1000)
    return state.snapshot
  }

  return {
    build,
    preview: (facts) => {
      const state = freshState(false)
      assemble(facts, state)
      return describeSnapshot(state.snapshot)
    },
    remove: (proxyKey) => {
      states.delete(proxyKey)
      identities.remove(proxyKey)
    },
    setLoadAssignment: (fact) => assignments.set(fact),
    removeLoadAssignment: (id) => assignments.remove(id),
    setIngressAssignment: (fact) => ingressAssignments.set(fact),
    removeIngressAssignment: (id) => ingressAssignments.remove(id),
    setTrust: (trust) => trusts.set(trust),
    setIdentity: (proxyKey, certificate) => identities.set(proxyKey, certificate),
    identitySecret: (proxyKey) => identities.current(proxyKey),
    problems: (proxyKey) => [...(states.get(proxyKey)?.problems.values() ?? [])],
    describe: (proxyKey) => {
      const state = states.get(proxyKey)
      return state === undefined ? undefined : describeSnapshot(state.snapshot)
    },
  }
}

function ownInputsOf({ facts, certificate, ingressRoutes, egressRoutes, outboundConfs, named }: OwnInput): readonly unknown[] {
  const { proxy, inbounds, zoneListeners, identity, trust, policies, labels, dns, address, gateway, workload, zone } = facts
  const further = [facts.telemetryBackends, named.text, ...outboundConfs]
  const routes = [
    ...ingressRoutes.flatMap((route) => [route.cluster, route.destination]),
    ...egressRoutes.flatMap((route) => [route.cluster, route.target, route.conf]),
  ]
  return [
    certificate,
    proxy,
    inbounds,
    zoneListeners,
    identity,
    trust,
    policies,
    labels,
    dns,
    address,
    gateway,
    workload,
    zone,
    ...routes,
    ...further,
  ]
}

function sameSnapshot(a: ProxySnapshot, b: ProxySnapshot): boolean {
  return (
    sameCells(a.cluster, b.cluster) &&
    sameCells(a.endpoint, b.endpoint) &&
    sameCells(a.listener, b.listener) &&
    sameCells(a.secret, b.secret)
  )
}

/** Sets the cells of what was built, keeps those of what failed, drops the rest. */
function replaceCells(
  type: XdsType,
  cells: Map<string, ResourceCell>,
  { built, failed }: { readonly built: ReadonlyMap<string, EncodedResource>; readonly failed: ReadonlySet<string> },
): void {
  for (const name of cells.keys()) if (!built.has(name) && !failed.has(name)) cells.delete(name)
  for (const [name, encoded] of built) {
    const cell = cells.get(name)
    if (cell === undefined) cells.set(name, createCell(type, name, encoded))
    else cell.set(encoded)
  }
}
