// The change log of an embedded store, read from its files: they are locked while its process runs.
import { existsSync, readdirSync } from 'node:fs'
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
    const rows = db.prepare('SELECT seq, class, op, type, name, body FROM log ORDER BY seq').all()
    return {
      place,
      seq,
      entries: rows.map((row): LogEntry => {
        const type = String(row['type'])
        const body: unknown = typeof row['body'] === 'string' ? JSON.parse(row['body']) : undefined
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
  } finally {
    db.close()
  }
}

function findStore(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('store.db'))
  return found === undefined ? undefined : join(folder, found)
}
