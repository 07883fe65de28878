// The log table of an embedded store: appends entries with their place in the chain, prunes them behind signed checkpoints, and reads them
// as a history. Callers bracket writes with begin and commit.
import type { DatabaseSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Resource } from '@weft/resources'
import type { Change } from './contract.ts'
import { chainStart, entryHash, type LoggedEntry, pointText } from './history-chain.ts'
import type { HistoryKey, SealedText } from './history-key.ts'
import type { ChainPoint, ChainReport, History, HistoryBody, HistoryEntry, HistoryQuery } from './history.ts'

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
type SignedPoint = ChainPoint & { readonly signature: string }

const verifyStep = 500
const maxProblems = 20

export function createSqliteLog({ db, id, key, sealedTypes }: SqliteLogOptions): SqliteLog {
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
    writeMeta.run(kind, JSON.stringify({ ...point, signature: key.sign(pointText(id, kind, point)) }))
  }
  let head: ChainPoint = pick(pointOf('head'))
  let before = head
  let kept = Number(db.prepare("SELECT COUNT(*) AS n FROM log WHERE class = 'desired'").get()?.['n'] ?? 0)
  let keptBefore = kept
  let from = Number(readMeta.get('history-from')?.['value'] ?? 0)

  const bodyText = (change: Change, part: 'before' | 'after'): string | null => {
    const resource = change[part]
    if (!resource) return null
    const spec = sealedTypes.has(resource.type) ? key.seal(JSON.stringify(resource.spec), sealContext(id, change.seq, part)) : resource.spec
    return JSON.stringify({ labels: resource.labels, spec, ...statusOf(resource) })
  }
  const append = (change: Change): void => {
    const { seq, time, actor, reason, op } = change
    const { type, mesh, name } = change.key
    if (change.class === 'observed') {
      insert.run(seq, time, 'observed', actor, reason, op, type, mesh, name, null, null, null, null)
      return
    }
    const texts = { before: bodyText(change, 'before'), after: bodyText(change, 'after') }
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
    return db
      .prepare(sql)
      .all(...values)
      .map((row) => entryOf(row, (body, part) => bodyOf(row, { body, part, isOpened })))
  }
  const bodyOf = (row: Row, { body, part, isOpened }: { body: string; part: 'before' | 'after'; isOpened: boolean }): HistoryBody => {
    // written by `bodyText`
    const value = JSON.parse(body) as HistoryBody
    if (!sealedTypes.has(text(row, 'type'))) return value
    const sealed = value.spec as SealedText
    const opened = isOpened ? key.open(sealed, sealContext(id, Number(row['seq']), part)) : undefined
    return { ...value, spec: opened === undefined ? { sealed: true, digest: sealed.digest } : (JSON.parse(opened) as unknown) }
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
      get from() {
        return from
      },
      entries: async (query = {}) => read(query, false),
      opened: async (query = {}) => read(query, true),
      seqAt: async (time) => seqAt(db, time),
      verify: async () => {
        for (;;) {
          const checkpoint = pointOf('checkpoint')
          const report = await walkChain({ db, id, key, checkpoint, end: pointOf('head') })
          // entries that were pruned under the walk are no problem of the chain
          if (report.ok || pointOf('checkpoint').seq === checkpoint.seq) return report
        }
      },
    },
  }
}

interface WalkOptions {
  readonly db: DatabaseSync
  readonly id: string
  readonly key: HistoryKey
  readonly checkpoint: SignedPoint
  readonly end: SignedPoint
}

/** Walks in steps from a checkpoint to the end, and goes on from what it finds where something does not fit. */
async function walkChain({ db, id, key, checkpoint, end }: WalkOptions): Promise<ChainReport> {
  const from = pick(checkpoint)
  const problems: string[] = []
  const note = (problem: string): void => {
    if (problems.length < maxProblems) problems.push(problem)
  }
  const requireSignature = (kind: 'head' | 'checkpoint', point: SignedPoint): void => {
    if (point.seq > 0 && !key.isSigned(pointText(id, kind, pick(point)), point.signature))
      note(`the ${kind} at ${point.seq} is not signed with the key at hand`)
  }
  requireSignature('checkpoint', checkpoint)
  let at = from
  let entries = 0
  const page = db.prepare("SELECT * FROM log WHERE class = 'desired' AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?")
  for (let rows = page.all(at.seq, end.seq, verifyStep); rows.length > 0; rows = page.all(at.seq, end.seq, verifyStep)) {
    for (const row of rows) {
      const entry = loggedOf(row)
      const hash = text(row, 'hash')
      if (Number(row['previous']) !== at.seq)
        note(`entry ${entry.seq} follows ${Number(row['previous'])}, but the one before it is ${at.seq}`)
      else if (entryHash(entry, at) !== hash) note(`entry ${entry.seq} (${entry.op} ${entry.type} ${entry.mesh}/${entry.name}) was altered`)
      entries += 1
      at = { seq: entry.seq, hash }
    }
    await nextTurn()
  }
  if (end.seq !== at.seq || end.hash !== at.hash) note(`the chain ends at ${at.seq}, its head names ${end.seq}`)
  requireSignature('head', end)
  return { ok: problems.length === 0, entries, from, head: at, problems }
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

function entryOf(row: Row, body: (text: string, part: 'before' | 'after') => HistoryBody): HistoryEntry {
  const { before, after, hash } = row
  return {
    seq: Number(row['seq']),
    time: text(row, 'time'),
    class: row['class'] === 'desired' ? 'desired' : 'observed',
    actor: text(row, 'actor'),
    reason: text(row, 'reason'),
    op: row['op'] === 'put' ? 'put' : 'delete',
    key: { type: text(row, 'type'), mesh: text(row, 'mesh'), name: text(row, 'name') },
    ...(typeof before === 'string' ? { before: body(before, 'before') } : {}),
    ...(typeof after === 'string' ? { after: body(after, 'after') } : {}),
    ...(typeof hash === 'string' ? { hash } : {}),
  }
}

function loggedOf(row: Row): LoggedEntry {
  const { before, after } = row
  const words = { time: text(row, 'time'), actor: text(row, 'actor'), reason: text(row, 'reason'), op: text(row, 'op') }
  return {
    seq: Number(row['seq']),
    ...words,
    type: text(row, 'type'),
    mesh: text(row, 'mesh'),
    name: text(row, 'name'),
    before: typeof before === 'string' ? before : null,
    after: typeof after === 'string' ? after : null,
  }
}

const sealContext = (id: string, seq: number, part: string): string => `${id}/${seq}/${part}`
const pick = ({ seq, hash }: ChainPoint): ChainPoint => ({ seq, hash })

function statusOf({ status }: Resource): { readonly status?: unknown } {
  return status === undefined ? {} : { status }
}

function text(row: Row, column: string): string {
  const value = row[column]
  return typeof value === 'string' ? value : ''
}
