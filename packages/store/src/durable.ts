// A store whose state outlives the process, and what only those have.
import type { Readable } from 'node:stream'
import type { BackupOptions } from './backup.ts'
import type { Store } from './contract.ts'
import type { History } from './history.ts'

export interface DurableStore extends Store {
  /** Observed changes are in it for minutes. */
  readonly history: History
  /** The bytes of a backup of this moment. */
  backup(options: BackupOptions): Readable
}
