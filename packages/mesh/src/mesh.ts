// The wiring of facts: store and a few outside sources in, proxy facts, load assignments, trust and generated resources out. Every node of the graph
// is made here, once; the roles of a control plane differ only in which generators write.
import type { DestinationFact, IdentityFact, LoadAssignmentFact, PolicySet, ProxyFacts, ProxyMetadata, TrustFact } from '@weft/facts'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { Collection, Graph, Source } from '@weft/graph'
import type { Registry, Resource, ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { type DataplaneFact, dataplaneFact, type DataplaneHealth, dataplaneHealth, deriveDataplanes } from './dataplanes.ts'
import { deriveDestinations } from './destinations.ts'
import {
  deriveRemoteIngresses,
  deriveServiceAssignments,
  deriveZoneAddresses,
  type EndpointState,
  type RemoteIngress,
} from './endpoints.ts'
import { deriveExternalServices } from './external-services.ts'
import { deriveExternalTargets } from './external-targets.ts'
import type { GeneratedPart } from './generators/generated-part.ts'
import { createReconciler, type PendingWork } from './generators/reconciler.ts'
import type { TrustVerdict } from './generators/trust-verdict.ts'
import { wireGenerators } from './generators/wire-generators.ts'
import { factsOnDemand } from './facts-on-demand.ts'
import { deriveHostNames } from './host-names.ts'
import { deriveIdentities, type Identities } from './identities.ts'
import { deriveMultiZoneServices } from './multi-zone-services.ts'
import { deriveOutbounds } from './outbounds.ts'
import { derivePolicySets } from './policy-sets.ts'
import { deriveProxyFacts } from './proxy-facts.ts'
import { createResourceSources } from './resource-sources.ts'
import { deriveServiceMembers, deriveServices, type ServiceFact } from './services.ts'
import type { MeshSettings } from './settings.ts'
import { withShadowPolicies } from './shadow-facts.ts'
import { deriveTelemetryBackends } from './telemetry-backends.ts'
import { deriveTrust } from './trust.ts'
import { deriveUnreachableRules, type UnreachableRule, type ZoneReachability } from './zone-reachability.ts'

export interface MeshOptions {
  readonly graph: Graph
  readonly store: Store
  readonly registry: Registry
  readonly settings: MeshSettings
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** Whether any connected proxy has a listener of this destination (KRI): its virtual IP rests until none has. Default: never. */
  readonly holdsListener?: (kri: string) => boolean
  /** Told of generated writes that are under way. */
  readonly pending?: PendingWork
  /** The right to write what is generated, where several processes share a store. Default: it is there. */
  readonly generating?: GeneratingRight
}

export interface GeneratingRight {
  /** What is generated is written here. */
  readonly store: Store
  mayWrite(): boolean
}

/** The facts, and the sources that others write (inside `graph.transact`). Keys of proxies and dataplanes are `mesh/name`. */
export interface MeshFacts {
  /** Written by whoever serves proxies: set when a proxy has connected and told about itself, deleted when it is forgotten. */
  readonly proxies: Source<ProxyMetadata>
  /** Draining and lost proxies. */
  readonly endpointStates: Source<EndpointState>
  /** Set when a proxy has ACKed listeners that accept TLS on all its inbounds. */
  readonly tlsAccepting: Source<true>
  /** Host name to IP address, for the names in `hostNames`. */
  readonly hosts: Source<string>
  /** By `mesh/zone`: ingresses of other zones that cannot be reached. Nothing is moved without an entry. */
  readonly zoneReachability: Source<ZoneReachability>

  /** Every resource of a kind as a collection, by `mesh/name` (`/name` for global kinds). */
  resources(type: string): Collection<Resource>
  readonly proxyFacts: Collection<ProxyFacts>
  /** By destination id; an entry for every destination, with no endpoints when there are none. */
  readonly loadAssignments: Collection<LoadAssignmentFact>
  /** Local endpoints only, of what zone ingresses route to. */
  readonly ingressAssignments: Collection<LoadAssignmentFact>
  readonly destinations: Collection<DestinationFact>
  /** By mesh name. */
  readonly trust: Collection<TrustFact>
  /** What became of each MeshTrust of a zone, by its `mesh/name`; absent but at a global that federates trust. */
  readonly trustVerdicts?: Collection<TrustVerdict>
  /** By dataplane, connected or not. */
  readonly identities: Collection<IdentityFact>
  readonly dataplanes: Collection<DataplaneFact>
  readonly dataplaneHealth: Collection<DataplaneHealth>
  readonly services: Collection<ServiceFact>
  /** Dataplane keys by MeshService key. */
  readonly serviceMembers: Collection<readonly string[]>
  /** MeshService keys by MeshMultiZoneService key. */
  readonly multiZoneMembers: Collection<readonly string[]>
  readonly policySets: Collection<PolicySet>
  /** Host names used as addresses anywhere; the values mean nothing. */
  readonly hostNames: Collection<unknown>
  /** Ingresses of the other zones. */
  readonly remoteIngresses: Collection<RemoteIngress>
  /** What each mesh, by name, does about zones that cannot be reached. */
  readonly unreachableRules: Collection<UnreachableRule>
  /** A proxy's facts as if policies labelled as shadow were in effect; its own object when none of them selects it. */
  shadowFacts(proxyKey: string): ProxyFacts | undefined
  /** What a dataplane may call by its resource alone, connected or not; empty for an unknown one. */
  destinationsOf(dataplaneKey: string): readonly DestinationFact[]
  /** Ids of destinations whose only endpoints are those of this dataplane; those of dataplanes that do not count are looked past. */
  soleEndpointOf(dataplaneKey: string, counts?: (dataplaneKey: string) => boolean): readonly string[]

  /** Loads the store, starts the graph and the generators. Everything is computed when this returns. */
  start(): void
  /** The right to write is there from now on: looks once at all there is and all that should be. */
  takeOver(): void
  /** Resolves when the generators have nothing left to write. */
  settled(): Promise<void>
  stop(): Promise<void>
}

/** Makes every node of the graph; nothing runs before `start`. */
export function createMesh(options: MeshOptions): MeshFacts {
  const { graph, store, registry, settings, clock, log, metrics } = options
  const { generating = { store, mayWrite: () => true } } = options
  const mayWrite = (): boolean => generating.mayWrite()
  const resources = createResourceSources(graph, registry)
  const proxies = graph.source<ProxyMetadata>('proxies')
  const states = graph.source<EndpointState>('endpointStates')
  const tlsAccepting = graph.source<true>('tlsAccepting')
  const hosts = graph.source<string>('hosts')
  const zoneReachability = graph.source<ZoneReachability>('zoneReachability')

  // a global serves no proxies: of the dataplanes of all its zones it makes facts only for who asks (docs/adr/0016-facts-on-demand-at-global.md)
  const isGlobal = settings.mode === 'global'
  const own = isGlobal ? graph.source<Resource>('ownDataplanes') : resources.of('Dataplane')
  const { facts: dataplanes, health } = deriveDataplanes(graph, own, settings)
  const services = deriveServices(graph, resources.of('MeshService'), settings)
  const members = deriveServiceMembers(graph, services, dataplanes)
  const identities = deriveIdentities(graph, { resources: resources.of('MeshIdentity'), dataplanes }, settings)
  const trust = deriveTrust(graph, resources.of('MeshTrust'))
  const zoneAddresses = deriveZoneAddresses(graph, resources.of('MeshZoneAddress'), settings)

  const endpointInputs = { dataplanes, health, states, hosts }
  const serviceAssignments = deriveServiceAssignments(graph, {
    ...endpointInputs,
    services,
    members,
    zoneAddresses: zoneAddresses.byZone,
    meshesWithIdentity: identities.meshesWithIdentity,
    reachability: zoneReachability,
  })
  const multiZone = deriveMultiZoneServices(graph, {
    resources: resources.of('MeshMultiZoneService'),
    services,
    serviceAssignments,
  })
  const external = deriveExternalServices(
    graph,
    { ...endpointInputs, resources: resources.of('MeshExternalService'), proxySpiffeIds: identities.spiffeIds },
    settings,
  )
  const loadAssignments = graph.union('loadAssignments', [serviceAssignments, multiZone.assignments, external.assignments])
  const localAssignments = graph.derive(
    { name: 'localAssignments', from: services, reads: [serviceAssignments] },
    function* (scope, service) {
      if (!service.isLocal) return
      for (const { id } of service.ports) {
        const assignment = scope.get(serviceAssignments, id)
        if (assignment) yield [id, assignment] as const
      }
    },
  )
  const ingressAssignments = graph.union('ingressAssignments', [localAssignments, multiZone.ingressAssignments])
  const destinations = deriveDestinations(graph, {
    services,
    multiZone: multiZone.facts,
    multiZoneSpiffeIds: multiZone.spiffeIds,
    external: external.facts,
    egress: external.egress,
  })

  const kinds = registry.policies.map(({ type }) => ({ type, resources: resources.of(type) }))
  const policySets = derivePolicySets(graph, { proxies, dataplanes, kinds })
  const telemetryBackends = deriveTelemetryBackends(graph, resources.of('MeshOpenTelemetryBackend'))
  const outbounds = deriveOutbounds(graph, { proxies, dataplanes, destinations })
  const proxyFacts = deriveProxyFacts(graph, {
    proxies,
    dataplanes,
    outbounds: outbounds.ofProxy,
    destinations,
    externalTargets: deriveExternalTargets(graph, {
      resources: resources.of('MeshExternalService'),
      secrets: resources.of('Secret'),
      destinations,
    }),
    identities: identities.ofDataplane,
    trust,
    policySets,
    telemetryBackends,
  })
  const hostNames = deriveHostNames(graph, dataplanes, zoneAddresses.all)
  const remoteIngresses = deriveRemoteIngresses(graph, { zoneAddresses: zoneAddresses.all, hosts }, settings)
  const unreachableRules = deriveUnreachableRules(graph, resources.of('Mesh'))

  const generators = wireGenerators({
    graph,
    registry,
    settings,
    clock,
    store: generating.store,
    mayWrite,
    log,
    holdsListener: options.holdsListener ?? (() => false),
    ...(metrics ? { metrics } : {}),
    of: resources.of,
    mark: (key) => reconciler.mark(key),
    facts: {
      services,
      members,
      dataplanes,
      health,
      states,
      proxies,
      tlsAccepting,
      spiffeIds: identities.spiffeIds,
      identities: identities.ofDataplane,
      trust,
      meshesWithIdentity: identities.meshesWithIdentity,
      multiZoneMembers: multiZone.members,
      telemetryBackends,
    },
  })
  const parts: readonly GeneratedPart[] = generators.parts
  const { pending } = options
  const reconciler = createReconciler({
    store: generating.store,
    mayWrite,
    clock,
    log,
    ...(metrics ? { metrics } : {}),
    parts,
    ...(pending ? { pending } : {}),
  })
  markChanges(parts, resources.of, (key) => reconciler.mark(key))
  let unfollow = (): void => {}
  let isStarted = false
  const shown = isGlobal
    ? dataplaneFactsOnDemand(resources.of('Dataplane'), settings, identities)
    : { dataplanes, dataplaneHealth: health, identities: identities.ofDataplane }

  return {
    ...shown,
    proxies,
    endpointStates: states,
    tlsAccepting,
    hosts,
    zoneReachability,
    resources: resources.of,
    proxyFacts,
    loadAssignments,
    ingressAssignments,
    destinations,
    trust,
    ...(generators.trustVerdicts ? { trustVerdicts: generators.trustVerdicts } : {}),
    services,
    serviceMembers: members,
    multiZoneMembers: multiZone.members,
    policySets,
    hostNames,
    remoteIngresses,
    unreachableRules,
    shadowFacts: (key) => {
      const [facts, dataplane] = [proxyFacts.get(key), dataplanes.get(key)]
      return facts && dataplane && withShadowPolicies(facts, dataplane, kinds)
    },
    destinationsOf: (key) => {
      const dataplane = shown.dataplanes.get(key)
      return dataplane ? outbounds.destinationsOf(dataplane) : []
    },
    soleEndpointOf: (key, counts = () => true) =>
      soleEndpointOf(key, { dataplanes, services, members, hosts, assignments: serviceAssignments, counts }),
    start: () => {
      unfollow = resources.follow(store)
      graph.start()
      isStarted = true
    },
    takeOver: () => {
      // the start itself marks everything
      if (!isStarted) return
      for (const part of parts) part.takeOver?.()
      for (const type of new Set(parts.flatMap((part) => part.types))) for (const resource of store.list(type)) reconciler.mark(resource)
      for (const key of generators.wanted()) reconciler.mark(key)
    },
    settled: () => reconciler.settled(),
    stop: async () => {
      unfollow()
      generators.stop()
      await reconciler.stop()
    },
  }
}

function dataplaneFactsOnDemand(
  resources: Collection<Resource>,
  settings: MeshSettings,
  identities: Identities,
): Pick<MeshFacts, 'dataplanes' | 'dataplaneHealth' | 'identities'> {
  return {
    dataplanes: factsOnDemand('dataplanes', resources, (resource) => dataplaneFact(resource, settings)),
    dataplaneHealth: factsOnDemand('dataplaneHealth', resources, dataplaneHealth),
    identities: factsOnDemand('identities', resources, (resource) => identities.of(dataplaneFact(resource, settings))),
  }
}

/** A generated resource that someone changes or deletes is looked at again. */
function markChanges(parts: readonly GeneratedPart[], of: (type: string) => Collection<Resource>, mark: (key: ResourceKey) => void): void {
  for (const type of new Set(parts.flatMap((part) => part.types))) {
    of(type).onCommit((changes) => {
      for (const { before, after } of changes) {
        const resource = after ?? before
        if (resource) mark(resource)
      }
    })
  }
}

interface SoleEndpointInputs {
  readonly dataplanes: Collection<DataplaneFact>
  readonly services: Collection<ServiceFact>
  readonly members: Collection<readonly string[]>
  readonly hosts: Collection<string>
  readonly assignments: Collection<LoadAssignmentFact>
  readonly counts: (dataplaneKey: string) => boolean
}

function soleEndpointOf(key: string, inputs: SoleEndpointInputs): readonly string[] {
  const dataplane = inputs.dataplanes.get(key)
  if (!dataplane) return []
  const placesOf = (of: DataplaneFact | undefined): readonly string[] =>
    (of?.inbounds ?? []).map(({ address, port }) => `${inputs.hosts.get(address) ?? address} ${port}`)
  const own = placesOf(dataplane)
  const ids: string[] = []
  for (const [serviceKey, members] of inputs.members.entries()) {
    if (!members.includes(key)) continue
    const others = new Set(
      members.filter((each) => each !== key && inputs.counts(each)).flatMap((each) => placesOf(inputs.dataplanes.get(each))),
    )
    for (const { id } of inputs.services.get(serviceKey)?.ports ?? []) {
      const places = (inputs.assignments.get(id)?.endpoints ?? []).map((endpoint) => `${endpoint.address} ${endpoint.port}`)
      if (places.some((place) => own.includes(place)) && !places.some((place) => others.has(place))) ids.push(id)
    }
  }
  return ids.sort()
}
