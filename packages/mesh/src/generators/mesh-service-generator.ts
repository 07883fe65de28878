// MeshServices of Universal dataplanes: one for each value of kuma.io/workload in a mesh (contract/resources.md section 4). A service whose dataplanes
// are gone stays for a grace period. What others own (state, identities, status) is never rewritten.
import type { Clock, Timer } from '@weft/foundation/time'
import { timestamp } from '@weft/foundation/time'
import { type Collection, type Graph, structuralEqual } from '@weft/graph'
import { isRfc1035Label, labelKeys, type Labels, type MeshServiceSpec, nameKey, type Resource, type ResourceKey } from '@weft/resources'
import type { DataplaneFact } from '../dataplanes.ts'
import { isLocal, type LabelPropagation, type MeshSettings } from '../settings.ts'
import { type Draft, fieldsOf, type GeneratedPart } from './generated-part.ts'
import { applyPropagated, propagatedLabels } from './label-propagation.ts'

export const meshServiceGenerator = 'meshservice-generator'

interface WantedPort {
  readonly name: string
  readonly port: number
  readonly targetPort: number
  readonly appProtocol: string
}

export interface WantedService {
  readonly workload: string
  readonly ports: readonly WantedPort[]
  /** Undefined when labels are not propagated. */
  readonly labels: Labels | undefined
}

export interface WantedServiceInputs {
  readonly meshes: Collection<Resource>
  readonly meshServices: Collection<Resource>
  readonly dataplanesByWorkload: Collection<readonly DataplaneFact[]>
  readonly labelPropagation: LabelPropagation | undefined
}

/** Local dataplanes by `mesh/workload`; values that cannot be the name of a service are left out. */
export function groupByWorkload(
  graph: Graph,
  dataplanes: Collection<DataplaneFact>,
  settings: MeshSettings,
): Collection<readonly DataplaneFact[]> {
  return graph.group('dataplanesByWorkload', dataplanes, (dataplane) =>
    isLocal(dataplane.labels, settings) && isRfc1035Label(dataplane.workload) ? [`${dataplane.mesh}/${dataplane.workload}`] : [],
  )
}

/** By `mesh/name`. */
export function deriveWantedServices(graph: Graph, inputs: WantedServiceInputs): Collection<WantedService> {
  const { meshes, meshServices, labelPropagation } = inputs
  return graph.map(
    { name: 'wantedServices', from: inputs.dataplanesByWorkload, reads: [meshes, meshServices] },
    (scope, dataplanes, key) => {
      const [first] = dataplanes
      if (!first || !scope.get(meshes, `/${first.mesh}`)) return undefined
      const serving = dataplanes.filter((dataplane) => dataplane.inbounds.length > 0)
      const oldest = oldestOf(serving)
      if (!oldest) return undefined
      const existing = scope.get(meshServices, key)
      const labels = labelPropagation && propagatedLabels(serving, labelPropagation)
      return { workload: first.workload, ports: (existing && heldPorts(serving, existing)) ?? portsOf(oldest), labels }
    },
  )
}

export interface MeshServicePartOptions {
  readonly wanted: Collection<WantedService>
  readonly settings: MeshSettings
  readonly clock: Clock
  /** Asks for another look at a resource when its grace period ends. */
  readonly mark: (key: ResourceKey) => void
}

export function createMeshServicePart(options: MeshServicePartOptions): GeneratedPart & { stop(): void } {
  const { settings, clock } = options
  const timers = new Map<string, Timer>()
  const cancel = (name: string): void => {
    timers.get(name)?.cancel()
    timers.delete(name)
  }
  return {
    name: meshServiceGenerator,
    types: ['MeshService'],
    apply: (key, draft) => {
      const name = nameKey(key)
      cancel(name)
      if (draft && !isManaged(draft.labels, settings)) return draft
      const wanted = options.wanted.get(name)
      if (wanted) return filled(key, draft, wanted)
      if (!draft) return undefined
      const started = Date.parse(draft.labels[labelKeys.graceStarted] ?? '')
      if (Number.isNaN(started)) return { ...draft, labels: { ...draft.labels, [labelKeys.graceStarted]: timestamp(clock.now()) } }
      const left = started + settings.meshServiceGracePeriodMs - clock.now()
      if (left <= 0) return undefined
      timers.set(
        name,
        clock.after(left, () => options.mark(key)),
      )
      return draft
    },
    stop: () => {
      for (const name of timers.keys()) cancel(name)
    },
  }

  function filled(key: ResourceKey, draft: Draft | undefined, wanted: WantedService): Draft {
    const { [labelKeys.graceStarted]: _, ...labels } = draft?.labels ?? {}
    const spec = fieldsOf(draft?.spec ?? { state: 'Unavailable' })
    return {
      labels: {
        ...(wanted.labels ? applyPropagated(labels, wanted.labels) : labels),
        [labelKeys.mesh]: key.mesh,
        [labelKeys.displayName]: key.name,
        [labelKeys.managedBy]: meshServiceGenerator,
        [labelKeys.env]: 'universal',
        [labelKeys.zone]: settings.zone,
        [labelKeys.origin]: 'zone',
      },
      spec: { ...spec, selector: { dataplaneLabels: { matchLabels: { [labelKeys.workload]: wanted.workload } } }, ports: wanted.ports },
      status: draft?.status ?? {},
    }
  }
}

function isManaged(labels: Labels, settings: MeshSettings): boolean {
  return labels[labelKeys.managedBy] === meshServiceGenerator && isLocal(labels, settings)
}

function oldestOf(dataplanes: readonly DataplaneFact[]): DataplaneFact | undefined {
  let oldest: DataplaneFact | undefined
  for (const each of dataplanes) {
    if (!oldest || (compare(each.creationTime, oldest.creationTime) || compare(each.name, oldest.name)) < 0) oldest = each
  }
  return oldest
}

/** The ports that a service has, while any of its dataplanes has them. */
function heldPorts(dataplanes: readonly DataplaneFact[], existing: Resource): readonly WantedPort[] | undefined {
  const stored = storedPorts(existing)
  for (const each of dataplanes) {
    const ports = portsOf(each)
    if (structuralEqual(ports, stored)) return ports
  }
  return undefined
}

/** By port number; of several inbounds with the same number the first counts. */
function portsOf(dataplane: DataplaneFact): readonly WantedPort[] {
  const ports = new Map<number, WantedPort>()
  for (const { port, section, protocol } of dataplane.inbounds) {
    if (!ports.has(port)) ports.set(port, { name: section, port, targetPort: port, appProtocol: protocol })
  }
  return [...ports.values()].sort((a, b) => a.port - b.port)
}

function storedPorts(resource: Resource): unknown {
  // stored MeshServices passed the codec of their kind
  return (resource.spec as MeshServiceSpec).ports
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
