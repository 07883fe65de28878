// From proxy facts to snapshots: the shared cells of outbounds, assignments and trust, and the few resources of the proxy itself.
// A resource that cannot be built keeps its last good content and stops nothing else (architecture.md section 6).
import type { LoadAssignmentFact, ProxyFacts, TrustFact } from '@weft/facts'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { effectiveProxy } from '@weft/policies'
import type { DestinationLookup } from '@weft/policy'
import type { ProxySnapshot, ResourceCell, XdsType } from '@weft/xds'
import { describeSnapshot, type ProxyDescription } from './describe.ts'
import { traitsOf } from './features.ts'
import type { AdminCertificate } from './generators/admin.ts'
import { createLoadAssignments } from './load-assignments.ts'
import { createOutboundGroups, namedClusters, type OutboundGroup } from './outbound-groups.ts'
import { sameItems } from './own-part.ts'
import { type OwnInput, ownInputsOf, type OwnParts, ownResources } from './own-resources.ts'
import type { BuildProblem, ResourceProblem } from './problem.ts'
import { createIdentities, createTrustBundles, type IdentityCertificate } from './secrets.ts'
import { createSharedOutbounds } from './shared-outbounds.ts'
import { type Cells, emptySnapshot, layered, type Layers, noCells, noLayers, sameSnapshot, updatedCells } from './snapshot-cells.ts'
import { egressRoutesOf, ingressRoutesOf } from './zone-routes.ts'

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
  /** Of the snapshot: cells of outbounds and zone routes, with the proxy's own on top. */
  layers: { readonly cluster: Layers; readonly listener: Layers }
  own: { readonly cluster: Cells; readonly listener: Cells }
  /** Identities of everything the own resources were built from. */
  ownInputs: readonly unknown[]
  ownProblems: readonly ResourceProblem[]
  readonly ownParts: OwnParts
  /** Problems of the last build, each under the text of all its parts. */
  problems: ReadonlyMap<string, BuildProblem>
}

const noProblems: ReadonlyMap<string, BuildProblem> = new Map()

function freshState(served: boolean): ProxyState {
  return {
    served,
    snapshot: emptySnapshot,
    layers: { cluster: noLayers, listener: noLayers },
    own: { cluster: noCells, listener: noCells },
    ownInputs: [],
    ownProblems: [],
    ownParts: new Map(),
    problems: noProblems,
  }
}

/** Creates a builder that knows no proxy yet. */
export function createProxyBuilder(options: ProxyBuilderOptions): ProxyBuilder {
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
    let { clusters, endpoints, listeners } = withLastGood(group, state.snapshot)

    const ingressRoutes = ingressRoutesOf(facts, clusters, problems)
    if (ingressRoutes.length > 0) {
      const [ingressClusters, ingressEndpoints] = [new Map(clusters), new Map(endpoints)]
      for (const { cluster, destination } of ingressRoutes) {
        const made = shared.ingressCluster({ name: cluster }, destination, whole.raw)
        problems.push(...made.problems)
        const cell = made.cell ?? state.snapshot.cluster.get(cluster)
        if (!made.removed && cell !== undefined) ingressClusters.set(cluster, cell)
        ingressEndpoints.set(cluster, ingressAssignments.cell(destination.id, cluster))
      }
      clusters = ingressClusters
      endpoints = ingressEndpoints
    }

    const egressRoutes = egressRoutesOf(facts, { taken: clusters, lookup }, problems)
    const taken = clusters
    const named = group.missing.length === 0 ? group.named : namedClusters(group.named.names.filter((name) => taken.has(name)))
    updateOwn(facts, { traits, whole, ingressRoutes, egressRoutes, outboundConfs: group.confs, named, state })
    problems.push(...state.ownProblems)

    if (facts.trust !== undefined && state.served) trusts.set(facts.trust)
    const { layers, own } = state
    const cluster = layered(layers.cluster, clusters, own.cluster)
    const listener = layered(layers.listener, listeners, own.listener)
    state.layers = { cluster, listener }
    const secret = secretsFor(facts, state.snapshot.secret)
    const snapshot: ProxySnapshot = { cluster: cluster.all, endpoint: endpoints, listener: listener.all, secret }
    if (!sameSnapshot(state.snapshot, snapshot)) state.snapshot = snapshot
    return problems
  }

  /** The map before while it has the same cells. */
  const secretsFor = (facts: ProxyFacts, before: Cells): Cells => {
    if (facts.identity === undefined) return noCells
    const [identity, trust] = [identities.cell(facts.key, facts.identity.kri), trusts.cell(facts.mesh)]
    if (before.get(identity.name) === identity && before.get(trust.name) === trust) return before
    return new Map([
      [identity.name, identity],
      [trust.name, trust],
    ])
  }

  const updateOwn = (facts: ProxyFacts, { state, ...given }: Omit<OwnInput, 'facts' | 'certificate'> & { state: ProxyState }): void => {
    const certificate = options.adminCertificate(facts)
    const input: OwnInput = { facts, certificate, ...given }
    const inputs = ownInputsOf(input)
    if (sameItems(inputs, state.ownInputs)) return
    const { clusters, listeners, problems } = ownResources(input, state.ownParts)
    state.ownInputs = inputs
    state.ownProblems = problems
    const failed = new Set(problems.filter((problem) => problem.policy === undefined).map((problem) => problem.resource))
    state.own = {
      cluster: updatedCells('cluster', state.own.cluster, { built: clusters, failed }),
      listener: updatedCells('listener', state.own.listener, { built: listeners, failed }),
    }
    encodes.inc({ type: 'cluster', scope: 'own' }, clusters.size)
    encodes.inc({ type: 'listener', scope: 'own' }, listeners.size)
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

/** The cells of a group; for what could not be built those that the proxy has, if it has any. */
function withLastGood(group: OutboundGroup, before: ProxySnapshot): Pick<OutboundGroup, 'clusters' | 'endpoints' | 'listeners'> {
  if (group.missing.length === 0) return group
  const [clusters, listeners] = [new Map(group.clusters), new Map(group.listeners)]
  for (const { type, name } of group.missing) {
    const cell = before[type].get(name)
    if (cell !== undefined) (type === 'cluster' ? clusters : listeners).set(name, cell)
  }
  return { clusters, endpoints: group.endpoints, listeners }
}
