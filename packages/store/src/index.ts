export { type Backup, type BackupHeader, type BackupOptions, readBackup } from './backup.ts'
export type { Change, DeleteOp, PutOp, Store, StoreOp, WriteClass, WriteContext } from './contract.ts'
export type { LeaseGrant, LeaseTable, StoreInstance, WriteLease } from './lease-table.ts'
export type { DurableStore } from './durable.ts'
export { type EmbeddedStoreOptions, openEmbeddedStore } from './embedded.ts'
export {
  type ChainPoint,
  type ChainReport,
  type History,
  type HistoryBody,
  type HistoryEntry,
  type HistoryQuery,
  isSealed,
  type SealedSpec,
} from './history.ts'
export { type HistoryKey, loadHistoryKey, readHistoryKey } from './history-key.ts'
export { jsonEqual } from './json-value.ts'
export { createMemoryStore, type MemoryStoreOptions } from './memory.ts'
export { strictStore } from './strict.ts'
export type { StoreAnnouncer } from './postgres/wake-up.ts'
export type { PostgresSettings, PostgresTlsMode } from './postgres/settings.ts'
export { whenReachable, type WhenReachableOptions } from './when-reachable.ts'
