// The SQLite file of an embedded store: schema, lock, reads and prepared writes. Callers bracket writes with begin and commit.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Labels, Resource, ResourceKey } from '@weft/resources'
import type { Change } from './contract.ts'
import type { HistoryEntry, HistoryQuery } from './embedded.ts'

/** Raised with every change of the tables; a file of a newer version is refused. */
const schemaVersion = 1

const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE resources (
    type TEXT NOT NULL, mesh TEXT NOT NULL, name TEXT NOT NULL,
    labels TEXT NOT NULL, spec TEXT NOT NULL, status TEXT,
    creation TEXT NOT NULL, modification TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (type, mesh, name)
  ) WITHOUT ROWID;
  CREATE TABLE log (
    seq INTEGER PRIMARY KEY, time TEXT NOT NULL, class TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
    op TEXT NOT NULL, type TEXT NOT NULL, mesh TEXT NOT NULL, name TEXT NOT NULL, body TEXT
  );
  CREATE INDEX log_by_class ON log (class, seq);
  CREATE INDEX log_by_key ON log (type, mesh, name, seq);
`

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
  /** Deletes up to `limit` old log entries of a class with seq at or below `upTo`. */
  prune(entries: { readonly class: string; readonly upTo: number; readonly limit: number }): void
  history(query: HistoryQuery): readonly HistoryEntry[]
  close(): void
}

/** Opens the database in a folder. `makeId` names a new store. Errors as `openEmbeddedStore`. */
export function openDatabase(dir: string, makeId: () => string): Database {
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
    return bind(db)
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

function migrate(db: DatabaseSync, dir: string, makeId: () => string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
  if (version > schemaVersion) {
    throw new AppError(
      'store/unavailable',
      `the store in ${dir} has format ${version}, this version knows ${schemaVersion}: use the newer version that made it`,
    )
  }
  if (version === schemaVersion) return
  db.exec('BEGIN IMMEDIATE')
  db.exec(schema)
  db.prepare('INSERT INTO meta (key, value) VALUES (?, ?), (?, ?)').run('id', makeId(), 'seq', '0')
  db.exec(`PRAGMA user_version = ${schemaVersion}; COMMIT`)
}

function bind(db: DatabaseSync): Database {
  const meta = db.prepare('SELECT value FROM meta WHERE key = ?')
  const put = db.prepare(
    `INSERT INTO resources (type, mesh, name, labels, spec, status, creation, modification, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (type, mesh, name) DO UPDATE SET labels = excluded.labels, spec = excluded.spec, status = excluded.status,
       creation = excluded.creation, modification = excluded.modification, version = excluded.version`,
  )
  const remove = db.prepare('DELETE FROM resources WHERE type = ? AND mesh = ? AND name = ?')
  const append = db.prepare(
    'INSERT INTO log (seq, time, class, actor, reason, op, type, mesh, name, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const setSeq = db.prepare("UPDATE meta SET value = ? WHERE key = 'seq'")
  const prune = db.prepare('DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE class = ? AND seq <= ? ORDER BY seq LIMIT ?)')
  return {
    id: text(meta.get('id'), 'value'),
    seq: Number(text(meta.get('seq'), 'value')),
    load: () => loadResources(db),
    begin: (durable) => db.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}; BEGIN IMMEDIATE`),
    commit: () => db.exec('COMMIT'),
    rollback: () => db.exec('ROLLBACK'),
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
    appendLog: (c) =>
      void append.run(
        c.seq,
        c.time,
        c.class,
        c.actor,
        c.reason,
        c.op,
        c.key.type,
        c.key.mesh,
        c.key.name,
        c.class === 'desired' && c.after ? bodyText(c.after) : null,
      ),
    setSeq: (seq) => void setSeq.run(String(seq)),
    prune: (entries) => void prune.run(entries.class, entries.upTo, entries.limit),
    history: (query) => readHistory(db, query),
    close: () => db.close(),
  }
}

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

function readHistory(db: DatabaseSync, query: HistoryQuery): readonly HistoryEntry[] {
  const { key } = query
  const where = key ? 'seq > ? AND type = ? AND mesh = ? AND name = ?' : 'seq > ?'
  const statement: StatementSync = db.prepare(`SELECT * FROM log WHERE ${where} ORDER BY seq LIMIT ?`)
  const rows = statement.all(query.afterSeq ?? 0, ...(key ? [key.type, key.mesh, key.name] : []), query.limit ?? 100)
  return rows.map((row) => {
    const body = row['body']
    return {
      seq: Number(row['seq']),
      time: text(row, 'time'),
      class: row['class'] === 'desired' ? 'desired' : 'observed',
      actor: text(row, 'actor'),
      reason: text(row, 'reason'),
      op: row['op'] === 'put' ? 'put' : 'delete',
      key: { type: text(row, 'type'), mesh: text(row, 'mesh'), name: text(row, 'name') },
      ...(typeof body === 'string' ? { body: JSON.parse(body) as unknown } : {}),
    }
  })
}

function bodyText(resource: Resource): string {
  return JSON.stringify({
    labels: resource.labels,
    spec: resource.spec,
    ...(resource.status === undefined ? {} : { status: resource.status }),
  })
}

function text(row: Readonly<Record<string, unknown>> | undefined, column: string): string {
  const value = row?.[column]
  return typeof value === 'string' ? value : ''
}
