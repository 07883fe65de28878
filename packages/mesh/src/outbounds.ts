// What a proxy may call: hand-written outbounds, or with transparent proxying one outbound for each VIP and port of the mesh. Proxies with equal
// restrictions share one list (contract/dataplane.md section 13).
import type { DestinationFact, OutboundFact, ProxyMetadata } from '@weft/facts'
import type { Collection, Graph, Index, Scope } from '@weft/graph'
import { labelKeys, type DataplaneOutbound, type Labels } from '@weft/resources'
import type { DataplaneFact, ReachableRef } from './dataplanes.ts'
import { hasLabels } from './label-selection.ts'

export interface Outbounds {
  /** By dataplane key. */
  readonly ofProxy: Collection<readonly OutboundFact[]>
  /** What a dataplane may call by its resource alone, connected or not: its hand-written outbounds, else all it can reach. */
  destinationsOf(dataplane: DataplaneFact): readonly DestinationFact[]
}

export interface OutboundInputs {
  readonly proxies: Collection<ProxyMetadata>
  readonly dataplanes: Collection<DataplaneFact>
  readonly destinations: Collection<DestinationFact>
}

type OutboundRef = NonNullable<DataplaneOutbound['backendRef']>

export function deriveOutbounds(graph: Graph, inputs: OutboundInputs): Outbounds {
  const { dataplanes, destinations, proxies } = inputs
  const vipOutbounds = graph.derive({ name: 'vipOutbounds', from: destinations }, function* (_, destination) {
    for (const vip of destination.vips) {
      const outbound: OutboundFact = { name: destination.id, destination, address: vip, port: destination.port }
      yield [`${destination.id} ${vip}`, outbound] as const
    }
  })
  const ofMesh = graph.group('vipOutboundsByMesh', vipOutbounds, (outbound) => [outbound.destination.mesh])
  const byName = graph.index('destinationsByName', destinations, namesOf)
  const byLabel = graph.index('destinationsByLabel', destinations, (destination) =>
    Object.entries(withDisplayName(destination)).map(([key, text]) => `${scopeOf(destination)}/${key}=${text}`),
  )
  const reads = [dataplanes, ofMesh, byName, byLabel]
  const reach = createReach()
  const ofProxy = graph.map(
    { name: 'outbounds', from: proxies, reads, equal: sameOutbounds },
    (scope, metadata, key): readonly OutboundFact[] | undefined => {
      const dataplane = scope.get(dataplanes, key)
      if (!dataplane) return undefined
      if (!metadata.transparentProxy && !dataplane.redirects) return handWritten(scope, dataplane, { byName, byLabel })
      const reached = reach(dataplane.mesh, scope.get(ofMesh, dataplane.mesh) ?? none, dataplane.reachable)
      // what would hide an own inbound is left out
      return reached.some((outbound) => hides(outbound, dataplane.inbounds))
        ? reached.filter((outbound) => !hides(outbound, dataplane.inbounds))
        : reached
    },
  )
  return {
    ofProxy,
    destinationsOf: (dataplane) => {
      if (!dataplane.redirects && dataplane.outbounds.length > 0)
        return handWritten({ lookup: (index, key) => index.lookup(key) }, dataplane, { byName, byLabel }).map(
          (outbound) => outbound.destination,
        )
      const refs = dataplane.reachable
      const all = [...destinations.entries()].map(([, destination]) => destination)
      return all.filter((each) => each.mesh === dataplane.mesh && (!refs || refs.some((ref) => isReachable(ref, each))))
    },
  }
}

/** Looking up is all that resolving a reference needs, inside a derivation or outside. */
type Lookup = Pick<Scope, 'lookup'>

const none: readonly never[] = []

/** One choice of destinations: which were looked at, and the list they came to last. */
interface Choice {
  /** By destination, which is another object when it changed. */
  readonly isChosen: WeakMap<DestinationFact, boolean>
  from: readonly OutboundFact[]
  list: readonly OutboundFact[]
}

/**
 * The outbounds of a mesh that restrictions leave; the list itself when there are none. Looked for once for each list and text of restrictions, and
 * the same list as before while its members are the same: a change of one service gives every proxy of the mesh a new list to choose from, but few of
 * them differ in what they choose. Proxies with equal lists share them, and with them all that is built from a list.
 */
function createReach(): (mesh: string, all: readonly OutboundFact[], refs: readonly ReachableRef[] | undefined) => readonly OutboundFact[] {
  const texts = new WeakMap<readonly ReachableRef[], string>()
  /** By mesh: what was chosen from its present list, and by those who did not choose from it yet from the one before. */
  const choices = new Map<string, { all: readonly OutboundFact[]; now: Map<string, Choice>; before: Map<string, Choice> }>()
  return (mesh, all, refs) => {
    if (!refs) return all
    const text = texts.get(refs) ?? JSON.stringify(refs)
    texts.set(refs, text)
    let ofMesh = choices.get(mesh)
    if (ofMesh?.all !== all) {
      // choices that nobody makes any more are forgotten with the list after the next
      ofMesh = { all, now: new Map(), before: ofMesh?.now ?? new Map<string, Choice>() }
      choices.set(mesh, ofMesh)
    }
    const choice = ofMesh.now.get(text) ?? ofMesh.before.get(text) ?? { isChosen: new WeakMap(), from: none, list: none }
    ofMesh.now.set(text, choice)
    if (choice.from === all) return choice.list
    const list = all.filter(({ destination }) => {
      let isChosen = choice.isChosen.get(destination)
      if (isChosen === undefined) {
        isChosen = refs.some((ref) => isReachable(ref, destination))
        choice.isChosen.set(destination, isChosen)
      }
      return isChosen
    })
    choice.from = all
    if (!sameOutbounds(choice.list, list)) choice.list = list
    return choice.list
  }
}

function hides(outbound: OutboundFact, inbounds: DataplaneFact['inbounds']): boolean {
  return inbounds.some((inbound) => inbound.port === outbound.port && inbound.address === outbound.address)
}

function isReachable(ref: ReachableRef, destination: DestinationFact): boolean {
  if (ref.kind !== destination.kind) return false
  if (ref.port !== undefined && ref.port !== destination.port) return false
  if (ref.labels) return hasLabels(withDisplayName(destination), ref.labels)
  if (ref.name !== destination.displayName && ref.name !== destination.name) return false
  return ref.namespace === '' || ref.namespace === destination.namespace
}

interface DestinationIndexes {
  readonly byName: Index<DestinationFact>
  readonly byLabel: Index<DestinationFact>
}

function handWritten(scope: Lookup, dataplane: DataplaneFact, indexes: DestinationIndexes): readonly OutboundFact[] {
  const outbounds: OutboundFact[] = []
  for (const outbound of dataplane.outbounds) {
    const ref = outbound.backendRef
    const port = outbound.port
    if (!ref || !port) continue
    const destination = resolve(scope, { mesh: dataplane.mesh, ref, namespace: dataplane.labels[labelKeys.namespace] ?? '' }, indexes)
    if (!destination) continue
    const section = ref.port ? String(ref.port) : destination.portName
    // listener and cluster carry the section as the outbound wrote it, the SNI the port's name (contract/dataplane.md section 8.1)
    const name = destination.id.slice(0, destination.id.length - destination.portName.length) + section
    outbounds.push({ name, destination, address: outbound.address || '127.0.0.1', port })
  }
  return outbounds
}

interface Reference {
  readonly mesh: string
  readonly ref: OutboundRef
  readonly namespace: string
}

/** The destination port a hand-written outbound means: of several matching owners the oldest; a bare name prefers this zone's own. */
function resolve(scope: Lookup, reference: Reference, indexes: DestinationIndexes): DestinationFact | undefined {
  const { ref, mesh } = reference
  const where = `${mesh}/${ref.kind ?? ''}`
  if (ref.labels && Object.keys(ref.labels).length > 0) {
    const found = selectByPairs(scope, indexes.byLabel, { where, labels: ref.labels })
    return portOf(oldestOwner(found), ref.port)
  }
  const named = (name: string, namespace: string): readonly DestinationFact[] => {
    const all = scope.lookup(indexes.byName, `${where}/${name}`)
    const near = all.filter((destination) => destination.namespace === namespace)
    const candidates = near.length > 0 ? near : all
    const local = candidates.filter((destination) => destination.local)
    return local.length > 0 ? local : candidates
  }
  const name = ref.name ?? ''
  const direct = portOf(oldestOwner(named(name, reference.namespace)), ref.port)
  if (direct) return direct
  const legacy = /^(.+)_(.+)_svc_(\d+)$/.exec(name)
  if (!legacy) return undefined
  return portOf(oldestOwner(named(legacy[1] ?? '', legacy[2] ?? '')), Number(legacy[3]))
}

function selectByPairs(
  scope: Lookup,
  index: Index<DestinationFact>,
  query: { readonly where: string; readonly labels: Labels },
): readonly DestinationFact[] {
  const [first] = Object.entries(query.labels)
  if (!first) return []
  return scope
    .lookup(index, `${query.where}/${first[0]}=${first[1]}`)
    .filter((destination) => hasLabels(withDisplayName(destination), query.labels))
}

/** All ports of the oldest owner. */
function oldestOwner(destinations: readonly DestinationFact[]): readonly DestinationFact[] {
  let oldest: DestinationFact | undefined
  for (const destination of destinations) {
    if (
      !oldest ||
      destination.creationTime < oldest.creationTime ||
      (destination.creationTime === oldest.creationTime && destination.name < oldest.name)
    )
      oldest = destination
  }
  return destinations.filter((destination) => destination.name === oldest?.name)
}

function portOf(ports: readonly DestinationFact[], port: number | undefined): DestinationFact | undefined {
  if (port) return ports.find((destination) => destination.port === port)
  return ports.length === 1 ? ports[0] : undefined
}

function namesOf(destination: DestinationFact): readonly string[] {
  return [...new Set([destination.displayName, destination.name])].map((name) => `${scopeOf(destination)}/${name}`)
}

function scopeOf(destination: DestinationFact): string {
  return `${destination.mesh}/${destination.kind}`
}

/** A reference may name the display name as a label even where the resource does not carry it. */
function withDisplayName(destination: DestinationFact): Labels {
  return Object.hasOwn(destination.labels, labelKeys.displayName)
    ? destination.labels
    : { ...destination.labels, [labelKeys.displayName]: destination.displayName }
}

/** Members of shared lists keep their identity; lists of equal members are the same for a proxy. */
function sameOutbounds(a: readonly OutboundFact[], b: readonly OutboundFact[]): boolean {
  return a.length === b.length && a.every((outbound, i) => sameOutbound(outbound, b[i]))
}

function sameOutbound(a: OutboundFact, b: OutboundFact | undefined): boolean {
  return (
    a === b || (b !== undefined && a.destination === b.destination && a.name === b.name && a.address === b.address && a.port === b.port)
  )
}
