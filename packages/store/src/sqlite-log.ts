// The log table of an embedded store: appends entries with their place in the chain, prunes them behind signed checkpoints, and reads them
// as a history. Callers bracket writes with begin and commit.
import type { DatabaseSync } from 'node:sqlite'
import type { Change } from './contract.ts'
import { createHistoryBodies } from './history-bodies.ts'
import { chainStart, entryHash, type SignedPoint, signPoint, walkChain } from './history-chain.ts'
import type { HistoryKey } from './history-key.ts'
import { chainedEntry, historyEntries, type HistoryRow } from './history-rows.ts'
import type { ChainPoint, History, HistoryEntry, HistoryQuery } from './history.ts'

export interface SqliteLogOptions {
  readonly db: DatabaseSync
  /** Id of the store. */
  readonly id: string
  readonly key: HistoryKey
  /** Kinds whose specs are kept sealed. */
  readonly sealedTypes: ReadonlySet<string>
}

export interface SqliteLog {
  /** Of a write transaction; `rollback` forgets what was appended since. */
  begin(): void
  append(change: Change): void
  /** Writes the end of the chain; the last thing before a commit. */
  writeHead(): void
  rollback(): void
  /** Deletes up to `limit` old observed entries with seq at or below `upTo`. */
  pruneObserved(entries: { readonly upTo: number; readonly limit: number }): void
  /** Deletes up to `limit` desired entries: the oldest beyond `keep`, and those before `time` (RFC 3339, UTC) if given. */
  pruneDesired(entries: { readonly keep: number; readonly time: string | undefined; readonly limit: number }): void
  readonly history: History
}

type Row = Readonly<Record<string, unknown>>
const verifyStep = 500

export function createSqliteLog({ db, id, key, sealedTypes }: SqliteLogOptions): SqliteLog {
  const bodies = createHistoryBodies({ id, key, sealedTypes })
  const readMeta = db.prepare('SELECT value FROM meta WHERE key = ?')
  const writeMeta = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
  const insert = db.prepare(
    `INSERT INTO log (seq, time, class, actor, reason, op, type, mesh, name, before, after, previous, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const pointOf = (name: string): SignedPoint => {
    const value = readMeta.get(name)?.['value']
    // written by `setPoint`, or altered: whatever it is, its fields are only compared
    return typeof value === 'string' ? (JSON.parse(value) as SignedPoint) : { ...chainStart, signature: '' }
  }
  const setPoint = (kind: 'head' | 'checkpoint', point: ChainPoint): void => {
    writeMeta.run(kind, JSON.stringify(signPoint(key, id, kind, point)))
  }
  let head: ChainPoint = pointOf('head')
  let before = head
  let kept = Number(db.prepare("SELECT COUNT(*) AS n FROM log WHERE class = 'desired'").get()?.['n'] ?? 0)
  let keptBefore = kept
  let from = Number(readMeta.get('history-from')?.['value'] ?? 0)

  const append = (change: Change): void => {
    const { seq, time, actor, reason, op } = change
    const { type, mesh, name } = change.key
    if (change.class === 'observed') {
      insert.run(seq, time, 'observed', actor, reason, op, type, mesh, name, null, null, null, null)
      return
    }
    const texts = { before: bodies.textOf(change, 'before'), after: bodies.textOf(change, 'after') }
    const hash = entryHash({ seq, time, actor, reason, op, type, mesh, name, ...texts }, head)
    insert.run(seq, time, 'desired', actor, reason, op, type, mesh, name, texts.before, texts.after, head.seq, hash)
    head = { seq, hash }
    kept += 1
  }

  const oldestDesired = db.prepare("SELECT seq, time, hash FROM log WHERE class = 'desired' ORDER BY seq LIMIT ?")
  const dropDesired = db.prepare("DELETE FROM log WHERE class = 'desired' AND seq <= ?")
  const dropObserved = db.prepare(
    "DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE class = 'observed' AND seq <= ? ORDER BY seq LIMIT ?)",
  )

  const read = (query: HistoryQuery, isOpened: boolean): readonly HistoryEntry[] => {
    const { sql, values } = selection(query)
    return historyEntries(rowsOf(db.prepare(sql).all(...values)), bodies, isOpened)
  }

  return {
    begin: () => {
      before = head
      keptBefore = kept
    },
    append,
    writeHead: () => {
      if (head.seq !== before.seq) setPoint('head', head)
    },
    rollback: () => {
      head = before
      kept = keptBefore
    },
    pruneObserved: ({ upTo, limit }) => void dropObserved.run(upTo, limit),
    pruneDesired: ({ keep, time, limit }) => {
      const oldest = oldestDesired.all(limit)
      const tooMany = Math.max(0, kept - keep)
      const count = oldest.findIndex((row, index) => index >= tooMany && (time === undefined || text(row, 'time') >= time))
      const last = oldest[(count === -1 ? oldest.length : count) - 1]
      if (!last) return
      const point = { seq: Number(last['seq']), hash: text(last, 'hash') }
      kept -= Number(dropDesired.run(point.seq).changes)
      setPoint('checkpoint', point)
      from = point.seq
      writeMeta.run('history-from', String(from))
    },
    history: {
      start: async () => from,
      entries: async (query = {}) => read(query, false),
      opened: async (query = {}) => read(query, true),
      seqAt: async (time) => seqAt(db, time),
      verify: async () => {
        const page = db.prepare("SELECT * FROM log WHERE class = 'desired' AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?")
        for (;;) {
          const checkpoint = pointOf('checkpoint')
          const report = await walkChain({
            id,
            key,
            checkpoint,
            end: pointOf('head'),
            page: async (after, upTo) => rowsOf(page.all(after, upTo, verifyStep)).map(chainedEntry),
          })
          // entries that were pruned under the walk are no problem of the chain
          if (report.ok || pointOf('checkpoint').seq === checkpoint.seq) return report
        }
      },
    },
  }
}

/** By halves: times grow with sequence numbers. */
function seqAt(db: DatabaseSync, time: string): number {
  const next = db.prepare('SELECT seq, time FROM log WHERE seq >= ? ORDER BY seq LIMIT 1')
  const bounds = db.prepare('SELECT MIN(seq) AS low, MAX(seq) AS high FROM log').get()
  let [low, high] = [Number(bounds?.['low'] ?? 0), Number(bounds?.['high'] ?? 0)]
  let found = Math.max(0, low - 1)
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    const row = next.get(middle)
    if (row && Number(row['seq']) <= high && text(row, 'time') <= time) {
      found = Number(row['seq'])
      low = found + 1
    } else high = middle - 1
  }
  return found
}

function selection(query: HistoryQuery): { readonly sql: string; readonly values: readonly (string | number)[] } {
  const conditions = ['seq > ?']
  const values: (string | number)[] = [query.afterSeq ?? 0]
  const add = (condition: string, value: string | number | undefined): void => {
    if (value === undefined) return
    conditions.push(condition)
    values.push(value)
  }
  add('seq < ?', query.beforeSeq)
  add('class = ?', query.class)
  add('type = ?', query.type)
  add('mesh = ?', query.mesh)
  add('name = ?', query.name)
  // bytes of names sort as their characters do; no name has anything after U+10FFFF
  add('actor >= ?', query.actorPrefix)
  add('actor < ?', query.actorPrefix === undefined ? undefined : `${query.actorPrefix}\u{10ffff}`)
  const order = query.order === 'newest' ? 'DESC' : 'ASC'
  return {
    sql: `SELECT * FROM log WHERE ${conditions.join(' AND ')} ORDER BY seq ${order} LIMIT ?`,
    values: [...values, query.limit ?? 100],
  }
}

function rowsOf(rows: readonly Row[]): readonly HistoryRow[] {
  // the columns of the log have no other types
  return rows as unknown as readonly HistoryRow[]
}

function text(row: Row, column: string): string {
  const value = row[column]
  return typeof value === 'string' ? value : ''
}
