// The tables of an embedded store, one step for each format. Steps only ever get added: a file of an older format takes the missing ones.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { AppError } from '@weft/foundation/errors'

interface Step {
  readonly sql: string
  /** What SQL alone cannot fill in. */
  after?(db: DatabaseSync, makeId: () => string): void
}

const steps: readonly Step[] = [
  {
    sql: `
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
      CREATE INDEX log_by_key ON log (type, mesh, name, seq);`,
    after: (db, makeId) => {
      db.prepare('INSERT INTO meta (key, value) VALUES (?, ?), (?, ?)').run('id', makeId(), 'seq', '0')
    },
  },
  {
    // entries of the first format have no values before them and no hash: the history begins after them
    sql: `
      DELETE FROM log;
      ALTER TABLE log RENAME COLUMN body TO after;
      ALTER TABLE log ADD COLUMN before TEXT;
      ALTER TABLE log ADD COLUMN previous INTEGER;
      ALTER TABLE log ADD COLUMN hash TEXT;
      INSERT INTO meta (key, value) SELECT 'history-from', value FROM meta WHERE key = 'seq';`,
  },
]

/** The format that this program reads and writes. */
export const embeddedFormat: number = steps.length

/**
 * Brings a file to the newest format in one transaction, after a copy of it as it was (`store.db.format-<n>` beside it). Throws store/unavailable for a format that is newer than this program.
 */
export function migrate(db: DatabaseSync, dir: string, makeId: () => string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
  if (version > steps.length) {
    throw new AppError(
      'store/unavailable',
      `the store in ${dir} has format ${version}, this version knows ${steps.length}: use the newer version that made it`,
    )
  }
  if (version === steps.length) return
  if (version > 0) copyBefore(db, join(dir, `store.db.format-${version}`))
  db.exec('BEGIN IMMEDIATE')
  for (const step of steps.slice(version)) {
    db.exec(step.sql)
    step.after?.(db, makeId)
  }
  db.exec(`PRAGMA user_version = ${steps.length}; COMMIT`)
}

/** A copy that the program of before can open. It holds signing keys like the file itself, so only the owner may read it. */
function copyBefore(db: DatabaseSync, path: string): void {
  writeFileSync(path, '', { mode: 0o600 })
  chmodSync(path, 0o600)
  db.prepare('VACUUM INTO ?').run(path)
}
