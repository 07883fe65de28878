// Stores behind the back of their control planes: the change log, and of the files of an embedded one, which are locked while its process runs,
// who it is, and edits.
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isObject, valueOf } from './canonical.ts'
import type { Place } from './history.ts'
import type { ChangeLogCopy, LogEntry } from './invariants.ts'

/** The log below a folder, or undefined when there is no store. */
export function readChangeLog(place: Place, folder: string): ChangeLogCopy | undefined {
  const file = findStore(folder)
  if (file === undefined) return undefined
  const db = new DatabaseSync(file)
  try {
    const seq = Number(db.prepare("SELECT value FROM meta WHERE key = 'seq'").get()?.['value'])
    return copyOf(place, seq, db.prepare('SELECT seq, class, op, type, name, after FROM log ORDER BY seq').all())
  } finally {
    db.close()
  }
}

/** The log in a PostgreSQL database, or undefined when there is no store. */
export async function queryChangeLog(
  place: Place,
  query: (statement: string) => Promise<readonly Readonly<Record<string, unknown>>[]>,
): Promise<ChangeLogCopy | undefined> {
  const [counter] = await query('SELECT seq FROM weft.counter')
  return (
    counter && copyOf(place, Number(counter['seq']), await query('SELECT seq, class, op, type, name, after FROM weft.log ORDER BY seq'))
  )
}

function copyOf(place: Place, seq: number, rows: readonly Readonly<Record<string, unknown>>[]): ChangeLogCopy {
  return {
    place,
    seq,
    entries: rows.map((row): LogEntry => {
      const type = String(row['type'])
      const body: unknown = typeof row['after'] === 'string' ? JSON.parse(row['after']) : undefined
      return {
        seq: Number(row['seq']),
        class: String(row['class']),
        op: String(row['op']),
        type,
        name: String(row['name']),
        value: isObject(body) ? valueOf(type, body['spec']) : undefined,
      }
    }),
  }
}

/** Id and epoch of a zone's store, read from a copy of its files: its process may run. */
export function readIdentity(folder: string): { readonly id: string; readonly epoch: number } {
  const file = findStore(folder)
  if (file === undefined) throw new Error(`no store below ${folder}`)
  const copy = mkdtempSync(join(tmpdir(), 'wcopy-'))
  try {
    for (const suffix of ['', '-wal']) if (existsSync(file + suffix)) copyFileSync(file + suffix, join(copy, `store.db${suffix}`))
    const db = new DatabaseSync(join(copy, 'store.db'))
    try {
      const spec = db.prepare("SELECT spec FROM resources WHERE type = 'Config' AND name = 'weft-kds-epoch'").get()?.['spec']
      const config: unknown = JSON.parse(String(spec))
      return {
        id: String(db.prepare("SELECT value FROM meta WHERE key = 'id'").get()?.['value']),
        epoch: Number(isObject(config) ? config['config'] : Number.NaN),
      }
    } finally {
      db.close()
    }
  } finally {
    rmSync(copy, { recursive: true })
  }
}

/** Carries out one statement on the store below a folder, whose process must not run. Returns how many rows it changed. */
export function editStore(folder: string, statement: string): number {
  const file = findStore(folder)
  if (file === undefined) throw new Error(`no store below ${folder}`)
  const db = new DatabaseSync(file)
  try {
    return Number(db.prepare(statement).run().changes)
  } finally {
    db.close()
  }
}

function findStore(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('store.db'))
  return found === undefined ? undefined : join(folder, found)
}
