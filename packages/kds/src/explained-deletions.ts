// Deletions that need no one's approval, because what is known here explains them: the proxy left in order, the Mesh is gone, or a global that
// guards its own door passes on what another zone deleted.
import { displayName, labelKeys, type Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import { list, member, stringMembers, text } from './json.ts'

/** live: a removal in a delta. list: a complete list lacks it, or a resumed one calls it gone. */
export type DeletionSource = 'live' | 'list'

/** Whether a deletion of something stored here is explained. */
export type Explain = (stored: Resource, source: DeletionSource) => boolean

/** At global: of what a zone deletes. Only global decides about meshes, so what belonged to one that is gone may go. */
export function explainFromZone(store: Pick<Store, 'get' | 'list'>): Explain {
  const dataplanes = (like: Resource): readonly Resource[] =>
    store.list('Dataplane', like.mesh).filter(({ labels }) => labels[labelKeys.zone] === like.labels[labelKeys.zone])
  return (stored) => {
    if (stored.mesh !== '' && !store.get({ type: 'Mesh', mesh: '', name: stored.mesh })) return true
    switch (stored.type) {
      case 'Dataplane':
        return hasLeft(store.get({ type: 'DataplaneInsight', mesh: stored.mesh, name: stored.name }))
      case 'DataplaneInsight':
        return hasLeft(stored) || !store.get({ type: 'Dataplane', mesh: stored.mesh, name: stored.name })
      case 'Workload':
        return !dataplanes(stored).some(({ labels }) => labels[labelKeys.workload] === displayName(stored))
      case 'MeshService':
        return isGenerated(stored) && !dataplanes(stored).some((dataplane) => isSelected(dataplane, stored))
      default:
        return false
    }
  }
}

/** At a zone: of what global deletes. */
export interface FromGlobalFacts {
  readonly zone: string
  /** The global is one of ours: it guards what zones delete before it passes it on. */
  isOwnPeer(): boolean
  /** Meshes that global deleted in deltas, in front of this zone's eyes. */
  readonly deletedMeshes: ReadonlySet<string>
}

export function explainFromGlobal({ zone, isOwnPeer, deletedMeshes }: FromGlobalFacts): Explain {
  return (stored, source) => {
    if (deletedMeshes.has(stored.mesh)) return true
    const owner = stored.labels[labelKeys.zone]
    return source === 'live' && owner !== undefined && owner !== zone && isOwnPeer()
  }
}

/** The last session of the proxy has ended, or there never was one. */
function hasLeft(insight: Resource | undefined): boolean {
  const last = list(insight?.spec, 'subscriptions').at(-1)
  return last === undefined || text(last, 'disconnectTime') !== ''
}

function isGenerated({ labels }: Resource): boolean {
  return Boolean(labels[labelKeys.managedBy])
}

function isSelected(dataplane: Resource, service: Resource): boolean {
  const selector = member(service.spec, 'selector')
  const named = text(member(selector, 'dataplaneRef'), 'name')
  if (named !== '') return named === displayName(dataplane) || named === dataplane.name
  const wanted = Object.entries(stringMembers(member(member(selector, 'dataplaneLabels'), 'matchLabels')))
  return wanted.every(([key, value]) => dataplane.labels[key] === value)
}
