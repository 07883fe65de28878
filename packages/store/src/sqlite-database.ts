// The SQLite file of an embedded store: schema, lock, reads and prepared writes. Callers bracket writes with begin and commit.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Labels, Resource, ResourceKey } from '@weft/resources'
import type { Change } from './contract.ts'
import { type HistoryKey, loadHistoryKey } from './history-key.ts'
import type { History } from './history.ts'
import { createSqliteLog, type SqliteLog, type SqliteLogOptions } from './sqlite-log.ts'
import { migrate } from './sqlite-schema.ts'

export interface Database {
  readonly id: string
  /** The last committed sequence number when the file was opened. */
  readonly seq: number
  /** All resources. */
  load(): IterableIterator<Resource>
  /** Starts a write transaction; `durable` asks for an fsync at its commit. */
  begin(durable: boolean): void
  commit(): void
  rollback(): void
  put(resource: Resource): void
  remove(key: ResourceKey): void
  appendLog(change: Change): void
  setSeq(seq: number): void
  /** The last epoch of every lease. */
  epochs(): ReadonlyMap<string, number>
  setEpoch(lease: string, epoch: number): void
  readonly pruneObserved: SqliteLog['pruneObserved']
  readonly pruneDesired: SqliteLog['pruneDesired']
  readonly history: History
  close(): void
}

export interface DatabaseOptions {
  readonly dir: string
  /** Names a new store. */
  makeId(): string
  /** Kinds whose specs are sealed in the history. */
  readonly sealedTypes: ReadonlySet<string>
}

/** Opens the database in a folder. Errors as `openEmbeddedStore`. */
export function openDatabase({ dir, makeId, sealedTypes }: DatabaseOptions): { readonly database: Database; readonly key: HistoryKey } {
  const lockFile = join(dir, 'store.pid')
  let db: DatabaseSync
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    // made before SQLite would, so that nobody else can read it: it holds signing keys
    const file = join(dir, 'store.db')
    writeFileSync(file, '', { flag: 'a', mode: 0o600 })
    db = new DatabaseSync(file, { timeout: 0 })
  } catch (error) {
    throw new AppError('store/unavailable', `cannot open the store in ${dir}: ${messageOf(error)}`, { cause: error })
  }
  try {
    // the lock of this mode ends with the process, however it ends
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF; PRAGMA wal_autocheckpoint = 4000; BEGIN IMMEDIATE; COMMIT;',
    )
    writeFileSync(lockFile, `${process.pid}\n`, { mode: 0o600 })
    migrate(db, dir, makeId)
    const key = loadHistoryKey(join(dir, 'history.key'))
    return { database: bind(db, { key, sealedTypes }), key }
  } catch (error) {
    db.close()
    if (error instanceof AppError) throw error
    throw /locked|busy/i.test(messageOf(error))
      ? lockedError(dir, lockFile)
      : new AppError('store/unavailable', `cannot use the store in ${dir}: ${messageOf(error)}`, { cause: error })
  }
}

function lockedError(dir: string, lockFile: string): AppError {
  let pid: number | undefined
  try {
    pid = Number.parseInt(readFileSync(lockFile, 'utf8'), 10) || undefined
  } catch {
    // the other process has not written its id yet
  }
  const who = pid === undefined ? 'another process' : `process ${pid}`
  return new AppError('store/locked', `the store in ${dir} is in use by ${who}`, {
    details: { dir, ...(pid === undefined ? {} : { pid }) },
  })
}

function bind(db: DatabaseSync, options: Pick<SqliteLogOptions, 'key' | 'sealedTypes'>): Database {
  const meta = db.prepare('SELECT value FROM meta WHERE key = ?')
  const put = db.prepare(
    `INSERT INTO resources (type, mesh, name, labels, spec, status, creation, modification, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (type, mesh, name) DO UPDATE SET labels = excluded.labels, spec = excluded.spec, status = excluded.status,
       creation = excluded.creation, modification = excluded.modification, version = excluded.version`,
  )
  const remove = db.prepare('DELETE FROM resources WHERE type = ? AND mesh = ? AND name = ?')
  const setSeq = db.prepare("UPDATE meta SET value = ? WHERE key = 'seq'")
  const epochs = db.prepare(`SELECT key, value FROM meta WHERE key LIKE '${epochPrefix}%'`)
  const setEpoch = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
  const id = text(meta.get('id'), 'value')
  const log = createSqliteLog({ db, id, ...options })
  return {
    id,
    seq: Number(text(meta.get('seq'), 'value')),
    load: () => loadResources(db),
    begin: (durable) => {
      db.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}; BEGIN IMMEDIATE`)
      log.begin()
    },
    commit: () => {
      log.writeHead()
      db.exec('COMMIT')
    },
    rollback: () => {
      log.rollback()
      db.exec('ROLLBACK')
    },
    put: (r) =>
      void put.run(
        r.type,
        r.mesh,
        r.name,
        JSON.stringify(r.labels),
        JSON.stringify(r.spec),
        r.status === undefined ? null : JSON.stringify(r.status),
        r.creationTime,
        r.modificationTime,
        r.version,
      ),
    remove: (key) => void remove.run(key.type, key.mesh, key.name),
    appendLog: log.append,
    setSeq: (seq) => void setSeq.run(String(seq)),
    epochs: () => new Map(epochs.all().map((row) => [text(row, 'key').slice(epochPrefix.length), Number(text(row, 'value'))])),
    setEpoch: (lease, epoch) => void setEpoch.run(`${epochPrefix}${lease}`, String(epoch)),
    pruneObserved: log.pruneObserved,
    pruneDesired: log.pruneDesired,
    history: log.history,
    close: () => db.close(),
  }
}

const epochPrefix = 'lease-epoch:'

function* loadResources(db: DatabaseSync): IterableIterator<Resource> {
  for (const row of db.prepare('SELECT * FROM resources ORDER BY type, mesh, name').iterate()) {
    const status = row['status']
    yield {
      type: text(row, 'type'),
      mesh: text(row, 'mesh'),
      name: text(row, 'name'),
      labels: JSON.parse(text(row, 'labels')) as Labels, // written by put from Labels
      creationTime: text(row, 'creation'),
      modificationTime: text(row, 'modification'),
      version: Number(row['version']),
      spec: JSON.parse(text(row, 'spec')),
      ...(typeof status === 'string' ? { status: JSON.parse(status) as unknown } : {}),
    }
  }
}

function text(row: Readonly<Record<string, unknown>> | undefined, column: string): string {
  const value = row?.[column]
  return typeof value === 'string' ? value : ''
}
