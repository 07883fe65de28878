// The three kinds of destinations under one kind of key, for what treats them alike: virtual IPs and hostnames.
import type { Collection, Graph } from '@weft/graph'
import { displayName, keyText, kriText, labelKeys, type Labels, type Registry, type Resource } from '@weft/resources'
import { isOfOtherZone, type MeshSettings } from '../settings.ts'
import { fieldsOf } from './generated-part.ts'

export interface DestinationResource {
  readonly key: string
  readonly type: string
  readonly kri: string
  readonly mesh: string
  readonly name: string
  readonly displayName: string
  readonly namespace: string
  readonly zone: string
  readonly labels: Labels
  readonly creationTime: string
  /** Of another zone; not of this one and not of global. */
  readonly isForeign: boolean
}

/** Kinds of destinations. */
export const destinationTypes = ['MeshService', 'MeshMultiZoneService', 'MeshExternalService'] as const

/** By type, mesh and name (`keyText`). Changes with names and labels only, not with specs or statuses. */
export function deriveDestinationResources(
  graph: Graph,
  of: (type: string) => Collection<Resource>,
  { registry, settings }: { readonly registry: Registry; readonly settings: MeshSettings },
): Collection<DestinationResource> {
  const parts = destinationTypes.map((type) => {
    const short = registry.get(type)?.short ?? ''
    return graph.derive({ name: `destinationResources.${type}`, from: of(type) }, (_, resource) => [
      [keyText(resource), describe(resource, short, settings)] as const,
    ])
  })
  return graph.union('destinationResources', parts)
}

/** The virtual IPs a destination holds: `status.vips`, or `status.vip` of an external service. */
export function storedVips(resource: { readonly type: string; readonly status?: unknown }): readonly string[] {
  const status = fieldsOf(resource.status)
  const entries = resource.type === 'MeshExternalService' ? [status['vip']] : Array.isArray(status['vips']) ? status['vips'] : []
  return entries.flatMap((entry) => {
    const ip = fieldsOf(entry)['ip']
    return typeof ip === 'string' && ip !== '' ? [ip] : []
  })
}

function describe(resource: Resource, short: string, settings: MeshSettings): DestinationResource {
  const { [labelKeys.graceStarted]: _, ...labels } = resource.labels
  return {
    key: keyText(resource),
    type: resource.type,
    kri: kriText(short, resource),
    mesh: resource.mesh,
    name: resource.name,
    displayName: displayName(resource),
    namespace: labels[labelKeys.namespace] ?? '',
    zone: labels[labelKeys.zone] ?? '',
    labels,
    creationTime: resource.creationTime,
    isForeign: isOfOtherZone(labels, settings),
  }
}
