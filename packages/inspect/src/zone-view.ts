// A zone of a global seen from outside: the same facts as in the zone itself, computed from what global and the zone tell each other
// (contract/kds.md section 9.4). What only the zone knows, such as proxies that are draining this moment, is not in it.
import { isObject } from '@weft/foundation/json'
import { defaultMeshSettings, type MeshSettings } from '@weft/mesh'
import { roleOf } from '@weft/policy'
import { isSentToZones, isSharedAcrossZones, labelKeys, type Registry, type Resource } from '@weft/resources'
import type { InspectionSource } from './inspected.ts'
import { createOfflineMesh, type OfflineMesh } from './offline-mesh.ts'

/** A place to answer from. */
export interface Perspective {
  readonly zone: string
  readonly source: InspectionSource
}

/** Gives the facts of a zone for one mesh; undefined for a zone that cannot be seen from here. */
export type PerspectiveOf = (zone: string, mesh: string) => Promise<Perspective | undefined>

/** Views kept for questions that follow each other. */
const maxViews = 4

const resting: MeshSettings['generators'] = {
  meshServices: false,
  workloads: false,
  status: false,
  vips: false,
  hostnames: false,
  trustFederation: false,
}

/** Perspectives of every zone of a global, each computed when asked for and kept while nothing changes. */
export function zonePerspectives(
  source: Pick<InspectionSource, 'registry'> & { readonly store: InspectionSource['store'] & { readonly seq: number } },
): PerspectiveOf {
  const views = new Map<string, { readonly seq: number; readonly view: Promise<OfflineMesh> }>()
  return async (zone, mesh) => {
    if (!source.store.get({ type: 'Zone', mesh: '', name: zone })) return undefined
    const key = `${zone}/${mesh}`
    let kept = views.get(key)
    if (!kept || kept.seq !== source.store.seq) {
      kept = { seq: source.store.seq, view: viewOf(source, zone, mesh) }
      views.delete(key)
      views.set(key, kept)
      for (const [oldest] of views) {
        if (views.size <= maxViews) break
        views.delete(oldest)
      }
    }
    return { zone, source: (await kept.view).source }
  }
}

function viewOf({ registry, store }: Pick<InspectionSource, 'registry' | 'store'>, zone: string, mesh: string): Promise<OfflineMesh> {
  const resources = registry.all.flatMap((kind) =>
    (kind.scope === 'Global' ? store.list(kind.type) : store.list(kind.type, mesh)).flatMap((resource) =>
      heldByZone(registry, resource, zone),
    ),
  )
  const settings = { ...defaultMeshSettings, zone, federated: true, generators: resting }
  return createOfflineMesh({ registry, resources: resources.map(withReadyIdentity), settings })
}

/** The resource as the zone holds it: its own as they are, global's, and what global passes on of the others. */
function heldByZone(registry: Registry, resource: Resource, zone: string): readonly Resource[] {
  const kind = registry.get(resource.type)
  const { [labelKeys.origin]: origin, [labelKeys.zone]: owner } = resource.labels
  if (!kind) return []
  if (origin !== 'zone') return isSentToZones(kind) ? [resource] : []
  if (owner === zone) return [resource]
  const isShared = isSharedAcrossZones(kind) && (!kind.policy || roleOf(resource) === 'producer')
  return isShared ? [{ ...resource, labels: { ...resource.labels, [labelKeys.origin]: 'global' } }] : []
}

/** Whether an authority is ready is known where certificates are issued; elsewhere one that has a provider is taken to be. */
export function withReadyIdentity<R extends Pick<Resource, 'type' | 'spec' | 'status'>>(resource: R): R {
  if (resource.type !== 'MeshIdentity' || !isObject(resource.spec) || resource.spec['provider'] === undefined) return resource
  return { ...resource, status: { conditions: [{ type: 'Ready', status: 'True', reason: 'Ready', message: '' }] } }
}
