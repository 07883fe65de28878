// `weft restore`: shows what a backup would change in the store of a stopped control plane and what its peers would be told, and writes it when asked.
import { AppError, hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { policyDescriptors } from '@weft/policies'
import { coreDescriptors, createRegistry, type Resource } from '@weft/resources'
import { type Backup, readBackup, readHistoryKey } from '@weft/store'
import { createReadStream, existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { ControlPlaneConfig } from './config.ts'
import { confidentialTypes, openStore, storeFolder } from './open-store.ts'
import { planRestore, type RestorePlan, type RestoreStep } from './restore-plan.ts'

export interface RestoreOptions {
  readonly file: string
  /** Opens the secrets of the backup; that of the store by default. */
  readonly keyFile: string | undefined
  /** Write it. */
  readonly yes: boolean
  readonly json: boolean
}

/** Resolves when the preview is printed and, with `yes`, the store has it. */
export async function restore(config: ControlPlaneConfig, options: RestoreOptions, print: (text: string) => void): Promise<void> {
  if (config.store.type === 'memory')
    throw new AppError('config/invalid', 'store.type: a memory store forgets what is restored; choose a durable one')
  const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
  const keyFile = options.keyFile ?? join(storeFolder(config), 'history.key')
  const backup = await readBackup(createReadStream(options.file), {
    sealedTypes: new Set(confidentialTypes(registry)),
    ...(options.keyFile !== undefined || existsSync(keyFile) ? { key: readHistoryKey(keyFile) } : {}),
  })
  const { store } = await openStopped(config, registry)
  try {
    const plan = planRestore({ store, registry, mode: config.mode }, backup.resources)
    print(options.json ? JSON.stringify(asJson(backup, plan), undefined, 2) : asText({ backup, plan, isGlobal: config.mode === 'global' }))
    if (!options.yes || plan.steps.length === 0) return
    const context = { actor: `user:${userInfo().username}`, reason: `restore of a backup at ${backup.seq}`, class: 'desired' } as const
    const seq = await store.transact(
      plan.steps.map(({ op }) => op),
      context,
    )
    if (!options.json) print(`restored; the store is at ${seq}`)
  } finally {
    await store.close()
  }
}

async function openStopped(config: ControlPlaneConfig, registry: ReturnType<typeof createRegistry>): ReturnType<typeof openStore> {
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
  readonly backup: Backup
  readonly plan: RestorePlan
  readonly isGlobal: boolean
}

function asText({ backup, plan, isGlobal }: Shown): string {
  const { steps, leftOut } = plan
  const lines = [`backup of ${backup.time} at ${backup.seq}, ${backup.resources.length} resources`]
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
  lines.push(steps.length === 0 ? 'nothing to restore' : `${steps.length} changes; --yes writes them`)
  return lines.join('\n')
}

function asJson(backup: Backup, { steps, leftOut }: RestorePlan): object {
  const key = ({ type, mesh, name }: Resource): object => ({ type, mesh, name })
  return {
    backup: { store: backup.store, seq: backup.seq, time: backup.time, resources: backup.resources.length },
    changes: steps.map(({ action, resource, isSent }) => ({ action, ...key(resource), sent: isSent })),
    leftOut: leftOut.map(({ resource, reason }) => ({ ...key(resource), reason })),
  }
}
