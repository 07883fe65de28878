// Resources from elsewhere into the store of a stopped control plane: first what would change and what its peers would be told, then, when asked, the change.
import { AppError, hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import type { Registry, Resource } from '@weft/resources'
import { userInfo } from 'node:os'
import type { ControlPlaneConfig } from './config.ts'
import { type OpenedStore, openStore } from './open-store.ts'
import { planRestore, type RestorePlan, type RestoreStep } from './restore-plan.ts'

export type Print = (text: string) => void
export type LeftOut = RestorePlan['leftOut'][number]

export interface WriteOptions {
  /** Write it. */
  readonly yes: boolean
  readonly json: boolean
}

/** Where resources come from. */
export interface ResourceSource {
  /** For people. */
  readonly title: string
  /** For programs. */
  readonly shown: object
  /** Of the change in the history. */
  readonly reason: string
  readonly resources: readonly Resource[]
  readonly leftOut: readonly LeftOut[]
  /** They are all there should be: others of this control plane go. */
  readonly isAll: boolean
}

interface Place {
  readonly config: ControlPlaneConfig
  readonly registry: Registry
}

/** Prints the preview and, with `yes`, writes it in one transaction. Throws store/locked while the control plane runs. */
export async function writeResources(
  { config, registry }: Place,
  source: ResourceSource,
  { options, print }: { readonly options: WriteOptions; readonly print: Print },
): Promise<void> {
  if (config.store.type === 'memory')
    throw new AppError('config/invalid', 'store.type: a memory store forgets what is written now; choose a durable one')
  const { store } = await openStopped(config, registry)
  try {
    const made = planRestore({ store, registry, mode: config.mode, isAll: source.isAll }, source.resources)
    const plan: RestorePlan = { ...made, leftOut: [...source.leftOut, ...made.leftOut] }
    print(options.json ? JSON.stringify(asJson(source, plan), undefined, 2) : asText({ source, plan, isGlobal: config.mode === 'global' }))
    if (!options.yes || plan.steps.length === 0) return
    const seq = await store.transact(
      plan.steps.map(({ op }) => op),
      { actor: `user:${userInfo().username}`, reason: source.reason, class: 'desired' },
    )
    if (!options.json) print(`written; the store is at ${seq}`)
  } finally {
    await store.close()
  }
}

async function openStopped(config: ControlPlaneConfig, registry: Registry): Promise<OpenedStore> {
  try {
    return await openStore(config, { registry, clock: systemClock, log: silentLogger })
  } catch (error) {
    if (hasCode(error, 'store/locked'))
      throw new AppError('store/locked', `${error.message}: stop the control plane first`, { details: error.details })
    throw error
  }
}

const nameOf = ({ type, mesh, name }: Resource): string => `${type} ${mesh === '' ? '' : `${mesh}/`}${name}`
const shownNames = 5

interface Shown {
  readonly source: ResourceSource
  readonly plan: RestorePlan
  readonly isGlobal: boolean
}

function asText({ source, plan, isGlobal }: Shown): string {
  const { steps, leftOut } = plan
  const lines = [source.title]
  const tell = (title: string, chosen: readonly RestoreStep[]): void => {
    if (chosen.length === 0) return
    lines.push(title)
    for (const [what, of] of Map.groupBy(chosen, ({ action, resource }) => `${action} ${resource.type}`)) {
      const names = of.slice(0, shownNames).map(({ resource }) => `${resource.mesh === '' ? '' : `${resource.mesh}/`}${resource.name}`)
      lines.push(`  ${what}: ${of.length} (${names.join(', ')}${of.length > shownNames ? ', ...' : ''})`)
    }
  }
  tell(
    isGlobal ? 'zones would receive' : 'global would receive',
    steps.filter((step) => step.isSent),
  )
  tell(
    'only here',
    steps.filter((step) => !step.isSent),
  )
  for (const { resource, reason } of leftOut) lines.push(`left out: ${nameOf(resource)}: ${reason}`)
  lines.push(steps.length === 0 ? 'nothing to write' : `${steps.length} changes; --yes writes them`)
  return lines.join('\n')
}

function asJson({ shown }: ResourceSource, { steps, leftOut }: RestorePlan): object {
  const key = ({ type, mesh, name }: Resource): object => ({ type, mesh, name })
  return {
    from: shown,
    changes: steps.map(({ action, resource, isSent }) => ({ action, ...key(resource), sent: isSent })),
    leftOut: leftOut.map(({ resource, reason }) => ({ ...key(resource), reason })),
  }
}
