// What a zone sends to global: everything of its own of the types that go up (contract/kds.md section 9.2).
import type { Logger } from '@weft/foundation/log'
import {
  displayName,
  isSentToGlobal,
  type KdsResource,
  kdsName,
  labelKeys,
  type Labels,
  type Registry,
  type Resource,
} from '@weft/resources'
import { isRecord, list } from './json.ts'
import { createEncoder, inOrder, type Outgoing, withoutPrefixes } from './outgoing.ts'

/** What decides what a zone sends. */
export interface ZoneOutgoingOptions {
  readonly registry: Registry
  readonly log: Logger
  /** Name of this zone. */
  readonly zone: string
  readonly systemNamespace: string
  readonly skipPrefixes: readonly string[]
}

const leadingTypes = ['Dataplane', 'MeshService', 'MeshZoneAddress']

/** The sending side of a zone. */
export interface ZoneOutgoing extends Outgoing {
  /** The same for a global that wants to know which change of this zone made each resource. */
  readonly stamped: Outgoing
}

export function createZoneOutgoing(options: ZoneOutgoingOptions): ZoneOutgoing {
  const { registry } = options
  const encoder = createEncoder({
    log: options.log,
    map: (_kind, resource) => mapForGlobal(resource, options),
    stamped: (packing) => packing === 'stamped',
  })
  const packed = (packing: 'global' | 'stamped'): Outgoing => ({
    types: inOrder(
      registry.all.filter(isSentToGlobal).map((kind) => kind.type),
      leadingTypes,
    ),
    // a peer on Kubernetes refuses an insight before its owner
    after: (type) => (type === 'DataplaneInsight' ? 'Dataplane' : undefined),
    encode: (resource) => {
      const kind = registry.get(resource.type)
      if (!kind || !isSentToGlobal(kind) || !isZoneOwned(resource.labels)) return undefined
      return resource.labels[labelKeys.kdsSync] === 'disabled' ? undefined : encoder.encode(kind, resource, packing)
    },
    forget: encoder.forget,
  })
  return { ...packed('global'), stamped: packed('stamped') }
}

/** True when a zone owns the resource: it says so, or says nothing. */
export function isZoneOwned(labels: Labels): boolean {
  return (labels[labelKeys.origin] || 'zone') === 'zone'
}

function mapForGlobal(resource: Resource, options: ZoneOutgoingOptions): KdsResource {
  const { [labelKeys.graceStarted]: _, ...kept } = resource.labels
  const suffix = `.${options.systemNamespace}`
  const name = resource.name.endsWith(suffix) ? resource.name.slice(0, -suffix.length) : resource.name
  const labels = withoutPrefixes({ ...kept, [labelKeys.origin]: 'zone', [labelKeys.zone]: options.zone }, options.skipPrefixes)
  const named = { name, mesh: resource.mesh, labels }
  return {
    name: kdsName(named),
    mesh: resource.mesh,
    labels: { ...labels, [labelKeys.displayName]: displayName(named) },
    spec: resource.type === 'DataplaneInsight' ? withoutGenerations(resource.spec) : resource.spec,
    ...(resource.status === undefined ? {} : { status: resource.status }),
  }
}

/** The generation of a subscription only says that its writer is alive; sending it would be a change without news. */
function withoutGenerations(spec: unknown): unknown {
  if (!isRecord(spec) || list(spec, 'subscriptions').length === 0) return spec
  return {
    ...spec,
    subscriptions: list(spec, 'subscriptions').map((subscription) => {
      if (!isRecord(subscription)) return subscription
      const { generation: _, ...rest } = subscription
      return rest
    }),
  }
}
