// Taking changes back: what resources were at a sequence number, and the transaction that makes them so again. Invariant: nothing is
// written that a person could not write here by hand; what cannot be taken back is named with the reason.
import { messageOf } from '@weft/foundation/errors'
import { equalJson } from '@weft/foundation/schema'
import { checkSpec, emptyStatus, isReadOnly, labelKeys, type Resource, type ResourceKey, validateResource } from '@weft/resources'
import { type History, type HistoryBody, type HistoryQuery, isSealed, type StoreOp } from '@weft/store'
import type { ApiServerDeps } from './api-deps.ts'
import { deletionOps } from './mesh-rules.ts'
import { deletionViolations } from './write-rules.ts'

/** A resource that changed since, and what it was; `then` undefined: it did not exist. */
export interface RollbackTarget {
  readonly key: ResourceKey
  readonly then: HistoryBody | undefined
}

export interface RollbackStep extends RollbackTarget {
  readonly action: 'create' | 'update' | 'delete'
  readonly now: Resource | undefined
  readonly ops: readonly StoreOp[]
}

export interface RollbackPlan {
  readonly steps: readonly RollbackStep[]
  readonly leftOut: readonly { readonly key: ResourceKey; readonly reason: string }[]
}

const pageSize = 1000

/** All entries that fit, oldest first. */
async function entriesAfter(history: History, query: HistoryQuery): Promise<Awaited<ReturnType<History['opened']>>> {
  const found = []
  for (let afterSeq = query.afterSeq ?? 0; ; ) {
    const page = await history.opened({ ...query, class: 'desired', order: 'oldest', limit: pageSize, afterSeq })
    found.push(...page)
    const last = page.at(-1)
    if (page.length < pageSize || !last) return found
    afterSeq = last.seq
  }
}

/** What a resource was after the change `seq`; undefined when it has not changed since. */
export async function targetOf(history: History, key: ResourceKey, seq: number): Promise<RollbackTarget | undefined> {
  const [first] = await history.opened({ ...key, class: 'desired', order: 'oldest', limit: 1, afterSeq: seq })
  return first && { key, then: first.before }
}

/** The Mesh and what is in it that people changed after `seq`. What generators, zones and proxies write, they write again. */
export async function targetsOfMesh(history: History, mesh: string, seq: number): Promise<readonly RollbackTarget[]> {
  const byPeople = { actorPrefix: 'user:', afterSeq: seq }
  const changes = [
    ...(await entriesAfter(history, { ...byPeople, type: 'Mesh', mesh: '', name: mesh })),
    ...(await entriesAfter(history, { ...byPeople, mesh })),
  ]
  const keys = new Map(changes.map(({ key }) => [`${key.type}/${key.name}`, key]))
  const targets: RollbackTarget[] = []
  for (const key of keys.values()) {
    const target = await targetOf(history, key, seq)
    if (target) targets.push(target)
  }
  return targets
}

/** Decides about each target; those that are as they were take no step. */
export function planRollback(deps: ApiServerDeps, targets: readonly RollbackTarget[]): RollbackPlan {
  const steps: RollbackStep[] = []
  const leftOut: { key: ResourceKey; reason: string }[] = []
  for (const target of targets) {
    const outcome = planOne(deps, target)
    if (outcome === undefined) continue
    if (typeof outcome === 'string') leftOut.push({ key: target.key, reason: outcome })
    else steps.push(outcome)
  }
  return { steps, leftOut }
}

/** The step, the reason why there is none, or undefined when nothing is to be done. */
function planOne(deps: ApiServerDeps, target: RollbackTarget): RollbackStep | string | undefined {
  const { key, then } = target
  const now = deps.store.get(key)
  if (!then && !now) return undefined
  if (then && now && equalJson(then.labels, now.labels) && equalJson(then.spec, now.spec)) return undefined
  const kind = deps.registry.get(key.type)
  if (!kind) return 'this control plane does not know the kind'
  // insights and what a generator keeps follow from other resources
  if (kind.rest === undefined || kind.rest.readOnly || (now ?? then)?.labels[labelKeys.managedBy] !== undefined) return undefined
  const { mode, federated } = deps.controlPlane
  if (isReadOnly(kind, mode, federated))
    return `${key.type} cannot be changed here: it belongs to ${mode === 'global' ? 'a zone' : 'the global control plane'}`
  const scene = { kind, key, controlPlane: deps.controlPlane, settings: deps.settings }
  for (const labels of [now?.labels, then?.labels]) {
    const [foreign] = labels
      ? deletionViolations(scene, { ...key, labels, spec: {}, creationTime: '', modificationTime: '', version: 0 })
      : []
    if (foreign) return foreign.message
  }
  if (!then) return now && deletion(deps, target, now)
  if (isSealed(then.spec)) return 'its value is sealed, and the key is not at hand'
  const { value, violations } = checkSpec(kind, then.spec)
  const [problem] = [...violations, ...(value === undefined ? [] : validateResource(kind, { ...key, labels: then.labels, spec: value }))]
  if (problem || value === undefined) return `it is not valid any more: ${problem?.field ?? ''}: ${problem?.message ?? ''}`
  const status = now ? undefined : emptyStatus(kind)
  const resource = { ...key, labels: then.labels, spec: value, ...(status === undefined ? {} : { status }) }
  return { ...target, now, action: now ? 'update' : 'create', ops: [{ op: 'put', resource, expect: now ? now.version : 'absent' }] }
}

function deletion(deps: ApiServerDeps, target: RollbackTarget, now: Resource): RollbackStep | string {
  if (now.type === 'Mesh') return 'it did not exist then, and a mesh is never deleted by a rollback: delete it by name'
  const { store, registry, controlPlane, settings } = deps
  try {
    const together = deletionOps({ store, registry, mode: controlPlane.mode, unsafeDelete: settings.unsafeDelete }, now)
    return { ...target, now, action: 'delete', ops: [...together, { op: 'delete', key: target.key, expect: now.version }] }
  } catch (error) {
    return messageOf(error)
  }
}
