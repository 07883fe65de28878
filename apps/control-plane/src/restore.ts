// `weft restore`: makes the store of a stopped control plane what it was at a backup.
import { policyDescriptors } from '@weft/policies'
import { coreDescriptors, createRegistry } from '@weft/resources'
import { readBackup, readHistoryKey } from '@weft/store'
import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ControlPlaneConfig } from './config.ts'
import { confidentialTypes, storeFolder } from './open-store.ts'
import { type Print, type WriteOptions, writeResources } from './write-resources.ts'

export interface RestoreOptions extends WriteOptions {
  readonly file: string
  /** Opens the secrets of the backup; that of the store by default. */
  readonly keyFile: string | undefined
}

/** Resolves when the preview is printed and, with `yes`, the store has it. */
export async function restore(config: ControlPlaneConfig, options: RestoreOptions, print: Print): Promise<void> {
  const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
  const keyFile = options.keyFile ?? join(storeFolder(config), 'history.key')
  const backup = await readBackup(createReadStream(options.file), {
    sealedTypes: new Set(confidentialTypes(registry)),
    ...(options.keyFile !== undefined || existsSync(keyFile) ? { key: readHistoryKey(keyFile) } : {}),
  })
  const { store, seq, time, resources } = backup
  const source = { title: `backup of ${time} at ${seq}`, shown: { store, seq, time }, reason: `restore of a backup at ${seq}` }
  await writeResources({ config, registry }, { ...source, resources, leftOut: [], isAll: true }, { options, print })
}
