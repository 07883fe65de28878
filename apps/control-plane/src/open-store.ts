// The store that the configuration names.
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { Registry } from '@weft/resources'
import { createMemoryStore, type DurableStore, openEmbeddedStore, type Store } from '@weft/store'
import { join } from 'node:path'
import { type ControlPlaneConfig, workDirOf } from './config.ts'

/** A store, and what only durable ones have. */
export interface OpenedStore extends Partial<Pick<DurableStore, 'history' | 'backup'>> {
  readonly store: Store
}

export interface OpenStoreDeps {
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
}

/** Kinds whose specs are never kept or shown in clear outside of the state itself. */
export function confidentialTypes(registry: Registry): readonly string[] {
  return registry.all.filter((kind) => kind.isConfidential === true).map((kind) => kind.type)
}

/** Folder of the embedded store. */
export function storeFolder(config: ControlPlaneConfig): string {
  return join(workDirOf(config), 'store')
}

/** Opens it, or makes it. Errors as the driver's. */
export async function openStore(config: ControlPlaneConfig, { registry, ...deps }: OpenStoreDeps): Promise<OpenedStore> {
  if (config.store.type === 'memory') return { store: createMemoryStore(deps) }
  const { maxEntries, maxAge } = config.weft.history
  const store = await openEmbeddedStore({
    ...deps,
    dir: storeFolder(config),
    retention: { maxEntries, maxAgeMs: maxAge },
    sealedTypes: confidentialTypes(registry),
  })
  return { store, history: store.history, backup: store.backup }
}
