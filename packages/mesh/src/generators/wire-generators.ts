// Which generators run in which role: a zone (federated or not) writes services, workloads, statuses, VIPs and hostnames; global federates trust.
import type { TelemetryBackendFact } from '@weft/facts'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { Collection, Graph } from '@weft/graph'
import type { Registry, Resource, ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { deriveOnline } from '../online-dataplanes.ts'
import type { MeshSettings } from '../settings.ts'
import { deriveDestinationResources } from './destination-resources.ts'
import type { GeneratedPart } from './generated-part.ts'
import { reportHostnameCollisions } from './hostname-collisions.ts'
import { createHostnamePart, deriveHostnames } from './hostnames.ts'
import { createMeshServicePart, deriveWantedServices, groupByWorkload } from './mesh-service-generator.ts'
import { createServiceStatusPart, deriveServiceStatus, type ServiceStatusInputs } from './mesh-service-status.ts'
import { createMultiZonePart, deriveMatchedServices } from './multi-zone-status.ts'
import { createRestingVips } from './resting-vips.ts'
import { createTrustFederationPart, deriveTrustFederation } from './trust-federation.ts'
import { createTelemetryStatusPart, deriveTelemetryStatus } from './telemetry-status.ts'
import type { TrustVerdict } from './trust-verdict.ts'
import { createVipPart } from './vips.ts'
import { createWorkloadPart, deriveWantedWorkloads } from './workload-generator.ts'

export interface GeneratorWiring {
  readonly graph: Graph
  readonly registry: Registry
  readonly settings: MeshSettings
  readonly clock: Clock
  /** What is generated is written to. */
  readonly store: Store
  readonly mayWrite: () => boolean
  readonly log: Logger
  /** Whether any connected proxy has a listener of this destination (KRI). */
  readonly holdsListener: (kri: string) => boolean
  readonly metrics?: Metrics
  readonly of: (type: string) => Collection<Resource>
  readonly mark: (key: ResourceKey) => void
  readonly facts: Omit<ServiceStatusInputs, 'online'> & {
    readonly multiZoneMembers: Collection<readonly string[]>
    /** By mesh. */
    readonly telemetryBackends: Collection<readonly TelemetryBackendFact[]>
  }
}

export interface Generators {
  /** In the order in which they shape a resource. */
  readonly parts: readonly GeneratedPart[]
  /** At global: what became of each MeshTrust of a zone, by its `mesh/name`. */
  readonly trustVerdicts?: Collection<TrustVerdict>
  /** Everything that the facts want to be there, or had to say something about. */
  wanted(): Iterable<ResourceKey>
  stop(): void
}

export function wireGenerators(wiring: GeneratorWiring): Generators {
  return wiring.settings.mode === 'global' ? wireGlobal(wiring) : wireZone(wiring)
}

function wireZone(wiring: GeneratorWiring): Generators {
  const { graph, settings, clock, of, mark, facts } = wiring
  const marks = createMarks(mark)
  const flags = settings.generators
  const parts: GeneratedPart[] = []
  const stops: (() => void)[] = []
  const isUniversal = settings.environment === 'universal'
  const byWorkload = groupByWorkload(graph, facts.dataplanes, settings)
  const online = deriveOnline(graph, of('DataplaneInsight'))
  if (flags.meshServices && isUniversal) {
    const wanted = deriveWantedServices(graph, {
      meshes: of('Mesh'),
      meshServices: of('MeshService'),
      dataplanesByWorkload: byWorkload,
      labelPropagation: settings.labelPropagation,
    })
    const part = createMeshServicePart({ wanted, settings, clock, mark })
    marks.named(wanted, 'MeshService')
    parts.push(part)
    stops.push(() => part.stop())
  }
  if (flags.workloads && isUniversal) {
    const { health, states } = facts
    const wanted = deriveWantedWorkloads(graph, { meshes: of('Mesh'), dataplanesByWorkload: byWorkload, health, states, online })
    marks.named(wanted, 'Workload')
    parts.push(createWorkloadPart(wanted, settings))
  }
  if (flags.status) {
    const { multiZoneMembers, telemetryBackends, ...inputs } = facts
    const statuses = deriveServiceStatus(graph, { ...inputs, online })
    marks.named(statuses, 'MeshService')
    const matches = deriveMatchedServices(graph, multiZoneMembers, facts.services)
    marks.named(matches, 'MeshMultiZoneService')
    const telemetry = deriveTelemetryStatus(graph, {
      kinds: wiring.registry.policies.filter(({ status }) => status).map(({ type }) => ({ type, resources: of(type) })),
      collectors: of('MeshOpenTelemetryBackend'),
      backends: telemetryBackends,
    })
    for (const { type, references } of telemetry.kinds) marks.named(references, type)
    marks.named(telemetry.referenced, 'MeshOpenTelemetryBackend')
    parts.push(createServiceStatusPart(statuses), createMultiZonePart(matches), createTelemetryStatusPart(telemetry))
  }
  if (flags.vips) {
    const { store, log, holdsListener, mayWrite } = wiring
    const resting = createRestingVips({ store, clock, log, restMs: settings.vipReuseMs, holdsListener, mayWrite })
    parts.push(createVipPart({ graph, of, registry: wiring.registry, settings, resting }))
  }
  if (flags.hostnames) {
    const destinations = deriveDestinationResources(graph, of, wiring)
    const hostnames = deriveHostnames(graph, { generators: of('HostnameGenerator'), destinations }, settings)
    marks.keyed(hostnames)
    const { log, metrics } = wiring
    reportHostnameCollisions(graph, hostnames, { log, ...(metrics ? { metrics } : {}) })
    parts.push(createHostnamePart(hostnames))
  }
  return {
    parts,
    wanted: marks.all,
    stop: () => {
      for (const stop of stops) stop()
    },
  }
}

function wireGlobal(wiring: GeneratorWiring): Generators {
  const { graph, settings, of, mark, metrics, clock } = wiring
  const marks = createMarks(mark)
  if (!settings.generators.trustFederation) return { parts: [], wanted: marks.all, stop: () => {} }
  const { wanted, verdicts, barred } = deriveTrustFederation(graph, {
    meshes: of('Mesh'),
    zones: of('Zone'),
    identities: of('MeshIdentity'),
    trusts: of('MeshTrust'),
    insights: of('DataplaneInsight'),
    configs: of('Config'),
  })
  marks.named(wanted, 'MeshTrust')
  marks.named(barred, 'MeshTrust')
  const refused = graph.map({ name: 'refusedTrusts', from: verdicts }, (_, { refusal }) => refusal)
  metrics?.gauge(
    'trust_federation_refused_count',
    'MeshTrusts of zones that are stored but not published to other zones.',
    [],
    () => refused.size,
  )
  const part = createTrustFederationPart({ wanted, barred, clock, mark })
  return { parts: [part], trustVerdicts: verdicts, wanted: marks.all, stop: () => part.stop() }
}

interface Marks {
  /** Marks the resources of a kind whose wanted state, by `mesh/name`, changed. */
  named(collection: Collection<unknown>, type: string): void
  /** As `named`; the keys say the type first. */
  keyed(collection: Collection<unknown>): void
  /** What all of these say something about. */
  all(): Iterable<ResourceKey>
}

function createMarks(mark: (key: ResourceKey) => void): Marks {
  const sources: { readonly collection: Collection<unknown>; readonly keyOf: (key: string) => ResourceKey }[] = []
  const follow = (collection: Collection<unknown>, keyOf: (key: string) => ResourceKey): void => {
    sources.push({ collection, keyOf })
    collection.onCommit((changes) => {
      for (const { key } of changes) mark(keyOf(key))
    })
  }
  return {
    named: (collection, type) =>
      follow(collection, (key) => {
        const [mesh = '', name = ''] = key.split('/')
        return { type, mesh, name }
      }),
    keyed: (collection) =>
      follow(collection, (key) => {
        const [type = '', mesh = '', name = ''] = key.split('/')
        return { type, mesh, name }
      }),
    all: function* () {
      for (const { collection, keyOf } of sources) for (const [key] of collection.entries()) yield keyOf(key)
    },
  }
}
