// What a restore would do to a store, decided before anything is written. Invariant: it makes what this control plane owns what it was; of others it
// only adds what is missing, and what processes find out by themselves (insights, epochs, recovery) it leaves alone.
import { equalJson } from '@weft/foundation/schema'
import { epochConfig, epochIn, ledgerPrefix, pinConfig } from '@weft/kds'
import { type ControlPlaneMode, isSentToGlobal, isSentToZones, keyText, labelKeys, type Registry, type Resource } from '@weft/resources'
import { isSealed, type Store, type StoreOp } from '@weft/store'
import { recoveryConfig } from './recovery-marker.ts'

export interface RestoreScene {
  readonly store: Store
  readonly registry: Registry
  readonly mode: ControlPlaneMode
  /** The resources are all there should be: others of this control plane go. Default: yes. */
  readonly isAll?: boolean
}

export interface RestoreStep {
  readonly action: 'create' | 'update' | 'delete'
  readonly resource: Resource
  /** Who is told: zones at global, global at a zone. */
  readonly isSent: boolean
  readonly op: StoreOp
}

export interface RestorePlan {
  readonly steps: readonly RestoreStep[]
  readonly leftOut: readonly { readonly resource: Resource; readonly reason: string }[]
}

/** Above every start that happened after the backup, wherever: peers take the process that has the higher one. */
const epochLeap = 1000

export function planRestore(scene: RestoreScene, resources: readonly Resource[]): RestorePlan {
  const { store, registry } = scene
  const steps: RestoreStep[] = []
  const leftOut: { resource: Resource; reason: string }[] = []
  const listed = new Set(resources.map(keyText))
  for (const then of resources) {
    const kind = registry.get(then.type)
    if (!kind) leftOut.push({ resource: then, reason: 'this version does not know the kind' })
    if (!kind || isNote(then) || kind.rest?.readOnly === true) continue
    const now = store.get(then)
    if (now && (isPin(then) || isForeign(scene, then) || isForeign(scene, now) || isSame(then, now))) continue
    if (isSealed(then.spec)) {
      if (!now) leftOut.push({ resource: then, reason: 'its value is sealed with another key' })
      continue
    }
    const { type, mesh, name, labels, spec, status } = then
    const resource = { type, mesh, name, labels, spec, ...(status === undefined ? {} : { status }) }
    steps.push({
      action: now ? 'update' : 'create',
      resource: then,
      isSent: isSent(scene, then),
      op: { op: 'put', resource, expect: now ? now.version : 'absent' },
    })
  }
  if (scene.isAll !== false) steps.push(...deletions(scene, listed))
  const epoch = epochStep(
    scene,
    resources.find(({ type, name }) => type === 'Config' && name === epochConfig.name),
  )
  return { steps: epoch && steps.length > 0 ? [...steps, epoch] : steps, leftOut }
}

/** What people made since; secrets and proxies stay. */
function deletions(scene: RestoreScene, listed: ReadonlySet<string>): readonly RestoreStep[] {
  const { store, registry } = scene
  const steps: RestoreStep[] = []
  for (const kind of registry.all) {
    if (kind.rest === undefined || kind.rest.readOnly || kind.isConfidential || kind.type === 'Dataplane') continue
    for (const now of store.list(kind.type)) {
      if (listed.has(keyText(now)) || isForeign(scene, now) || now.labels[labelKeys.managedBy] !== undefined) continue
      const { type, mesh, name } = now
      steps.push({
        action: 'delete',
        resource: now,
        isSent: isSent(scene, now),
        op: { op: 'delete', key: { type, mesh, name }, expect: now.version },
      })
    }
  }
  return steps
}

/** What a process notes of itself says nothing about the processes of today. */
function isNote({ type, name }: Resource): boolean {
  return type === 'Config' && (name === epochConfig.name || name === recoveryConfig.name || name.startsWith(ledgerPrefix))
}

/** Which global a zone belongs to: what it belonged to then counts only where nothing is known. */
function isPin({ type, name }: Resource): boolean {
  return type === 'Config' && name === pinConfig.name
}

/** A zone that goes back is a later one all the same. */
function epochStep(scene: RestoreScene, then: Resource | undefined): RestoreStep | undefined {
  const now = scene.store.get(epochConfig)
  const epoch = Math.max(epochIn(now?.spec), epochIn(then?.spec))
  if (scene.mode === 'global' || epoch === 0) return undefined
  const resource = { ...epochConfig, labels: {}, spec: { config: String(epoch + epochLeap) } }
  const shown = { ...resource, creationTime: '', modificationTime: '', version: 0 }
  return {
    action: now ? 'update' : 'create',
    resource: shown,
    isSent: false,
    op: { op: 'put', resource, expect: now ? now.version : 'absent' },
  }
}

/** From another control plane by sync. */
function isForeign({ mode }: RestoreScene, { labels }: Resource): boolean {
  const origin = labels[labelKeys.origin]
  return mode === 'global' ? origin === 'zone' : origin === 'global'
}

/** A zone sends nothing back to global that came from there. */
function isSent(scene: RestoreScene, resource: Resource): boolean {
  const kind = scene.registry.get(resource.type)
  if (kind === undefined) return false
  return scene.mode === 'global' ? isSentToZones(kind) : isSentToGlobal(kind) && !isForeign(scene, resource)
}

function isSame(then: Resource, now: Resource): boolean {
  return equalJson(then.labels, now.labels) && equalJson(then.spec, now.spec)
}
