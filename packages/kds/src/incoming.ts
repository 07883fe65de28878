// How one side reads what it is sent: which resources it owns on behalf of the origin, and what it makes of each (contract/kds.md 9.3, 9.5).
import { AppError, type Violation } from '@weft/foundation/errors'
import {
  isProvidedBy,
  type KdsResource,
  labelKeys,
  type Labels,
  type Registry,
  type Resource,
  type ResourceDescriptor,
  type ResourceKey,
} from '@weft/resources'
import type { WriteClass } from '@weft/store'
import type { ClaimLog, ClaimPlace } from './attribution.ts'
import { isRecord, list, member, stringMembers } from './json.ts'
import { specFromSecondGeneration } from './second-generation.ts'
import { isNamedByZone, zoneOfName } from './zone-names.ts'

/** The receiving side of one origin. */
export interface Incoming {
  /** Who writes, for provenance: `global` or `zone:<name>`. */
  readonly actor: string
  /** Types to subscribe to, in order. */
  readonly types: readonly string[]
  /** True when the stored resource came from this origin, so that the origin may change and delete it. */
  owns(kind: ResourceDescriptor, stored: Resource): boolean
  /** The status of what is stored is written here and does not come from the origin. */
  readonly keepsOwnStatus: boolean
  /** The name under which a resource is stored here. */
  storedName(name: string): string
  /** The sender of a response names itself. */
  heard?(identifier: string): void
  /** It wants to change or delete what is not its own. */
  trespassed?(stored: Resource, op: 'put' | 'delete'): void
  /** Whether a stored resource of another zone has a name that is this one's. */
  reclaims?(stored: Resource, resource: KdsResource): boolean
  /** What is stored of a decoded resource; the name is mapped already. `wire` is the KumaResource as it came. */
  adopt(kind: ResourceDescriptor, decoded: KdsResource, wire: Uint8Array): KdsResource
}

/** Which zone, and how it names things. */
export interface FromZoneOptions {
  readonly registry: Registry
  readonly zone: string
  /** The zone sent the header feature `hash-suffix`: its names are unique already. */
  readonly hashedNames: boolean
  /** The zone is of the 2.x line. */
  readonly secondGeneration?: boolean
  readonly types: readonly string[]
  /** Names of all zones. */
  zones(): readonly string[]
  /** Told whatever the zone says of another zone. */
  claimed: ClaimLog
}

/** Global reading a zone. Zone and origin come from the session, never from what the zone wrote. */
export function fromZone(options: FromZoneOptions): Incoming {
  const { zone, hashedNames, secondGeneration = false, types } = options
  const claim = (
    place: ClaimPlace,
    claimed: string | undefined,
    at: { readonly key?: ResourceKey; readonly isRejected?: boolean } = {},
  ): void => {
    if (claimed === undefined || claimed === '' || claimed === zone) return
    options.claimed({ zone, place, claimed, ...(at.key ? { key: at.key } : {}), result: at.isRejected ? 'rejected' : 'rewritten' })
  }
  const dataplaneSpec = (spec: unknown, key: ResourceKey): unknown => {
    claim('gateway-tag', stringMembers(member(member(member(spec, 'networking'), 'gateway'), 'tags'))[labelKeys.zone], { key })
    return withOwnZoneTag(withoutEmptyOutbounds(spec), zone)
  }
  return {
    actor: `zone:${zone}`,
    keepsOwnStatus: false,
    types,
    owns: (_kind, stored) => stored.labels[labelKeys.zone] === zone && stored.labels[labelKeys.origin] === 'zone',
    storedName: (name) => (hashedNames ? name : `${zone}.${name}`),
    heard: (identifier) => claim('identifier', identifier),
    trespassed: (stored, op) =>
      claim(op === 'put' ? 'name' : 'removal', stored.labels[labelKeys.zone] || 'global', { key: stored, isRejected: true }),
    reclaims: (stored, resource) => {
      const owner = stored.labels[labelKeys.zone]
      if (!hashedNames || stored.labels[labelKeys.origin] !== 'zone' || owner === undefined) return false
      if (!isNamedByZone(resource, zone) || isNamedByZone(stored, owner)) return false
      options.claimed({ zone: owner, place: 'name', claimed: zone, key: stored, result: 'rejected' })
      return true
    },
    adopt: (kind, decoded, wire) => {
      const { mesh, name, labels } = decoded
      const key = { type: kind.type, mesh, name }
      const named = hashedNames ? zoneOfName(decoded, zone, options.zones) : undefined
      if (named !== undefined) {
        claim('name', named, { key, isRejected: true })
        throw new AppError('resource/invalid', `the name is one of zone ${named}, not of ${zone}`)
      }
      claim('zone-label', labels[labelKeys.zone], { key })
      if (labels[labelKeys.origin] !== 'zone') claim('origin', labels[labelKeys.origin], { key })
      const spec = secondGeneration && kind.type === 'Dataplane' ? specFromSecondGeneration(decoded.spec, wire) : decoded.spec
      return {
        ...decoded,
        labels: { ...labels, [labelKeys.origin]: 'zone', [labelKeys.zone]: zone },
        spec: kind.type === 'Dataplane' ? dataplaneSpec(spec, key) : spec,
      }
    },
  }
}

/** A zone reading global. Its own status stays: status never comes down. */
export function fromGlobal(types: readonly string[]): Incoming {
  return {
    actor: 'global',
    keepsOwnStatus: true,
    types,
    // kinds a zone cannot write belong to global wholly; of the others only what says that it is not this zone's
    owns: (kind, stored) => !isOwnConfig(stored) && (!isProvidedBy(kind, 'zone') || (stored.labels[labelKeys.origin] || 'zone') !== 'zone'),
    storedName: (name) => name,
    adopt: (_kind, { name, mesh, labels, spec }) => ({ name, mesh, labels: { ...labels, [labelKeys.origin]: 'global' }, spec }),
  }
}

/** What a control plane remembers for itself: it never came from anyone. */
function isOwnConfig({ type, name }: ResourceKey): boolean {
  return type === 'Config' && name.startsWith('weft-')
}

/** A gateway may not claim another zone than the one that sent it. */
function withOwnZoneTag(spec: unknown, zone: string): unknown {
  const networking = member(spec, 'networking')
  const gateway = member(networking, 'gateway')
  const tags = stringMembers(member(gateway, 'tags'))
  if (!isRecord(spec) || !isRecord(networking) || !isRecord(gateway)) return spec
  if (!Object.hasOwn(tags, labelKeys.zone) || tags[labelKeys.zone] === zone) return spec
  return { ...spec, networking: { ...networking, gateway: { ...gateway, tags: { ...tags, [labelKeys.zone]: zone } } } }
}

/** Zones of the 2.x line list outbounds that name no destination; they mean nothing, and the rest of the Dataplane is good. */
function withoutEmptyOutbounds(spec: unknown): unknown {
  const networking = member(spec, 'networking')
  const outbounds = list(networking, 'outbound')
  const useful = outbounds.filter((outbound) => isRecord(member(outbound, 'backendRef')))
  if (!isRecord(spec) || !isRecord(networking) || useful.length === outbounds.length) return spec
  const { outbound: _, ...rest } = networking
  return { ...spec, networking: useful.length === 0 ? rest : { ...rest, outbound: useful } }
}

const observedTypes = new Set(['Dataplane', 'DataplaneInsight', 'ServiceInsight', 'Workload'])
const observedWhenGenerated = new Set(['MeshService', 'MeshZoneAddress'])

/** Whether a resource is a fact that control planes write themselves or something a person wanted (architecture.md section 2.1). */
export function writeClassOf(type: string, labels: Labels): WriteClass {
  if (observedTypes.has(type)) return 'observed'
  return observedWhenGenerated.has(type) && labels[labelKeys.managedBy] ? 'observed' : 'desired'
}

/** `name.mesh` as in `removed_resources`: the mesh is behind the last dot, empty for global scope (contract/kds.md section 5). */
export function splitWireName(type: string, wireName: string): ResourceKey {
  const dot = wireName.lastIndexOf('.')
  return dot < 0 ? { type, mesh: '', name: wireName } : { type, mesh: wireName.slice(dot + 1), name: wireName.slice(0, dot) }
}

/** A resource, or the removal of one, that could not be applied. */
export interface RefusedResource {
  /** Under which it would be stored here. */
  readonly key: ResourceKey
  /** As the response names it. */
  readonly wireName: string
  readonly reason: string
}

/** Violations as one line. */
export function violationText(violations: readonly Violation[]): string {
  return violations.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join('; ')
}

/** One line that names the resource and says what is wrong with it. */
export function describeFailure({ key, reason }: Pick<RefusedResource, 'key' | 'reason'>): string {
  return `${key.type} name=${key.name}${key.mesh ? ` mesh=${key.mesh}` : ''}: ${reason}`
}
