// The change log in PostgreSQL. The last statement of a write moves the one-row counter and appends the log rows: the row's lock puts
// writers in order from there to their commit, so numbers are handed out and become visible without holes. The usual write is that one
// statement alone, and it takes effect only if the counter still is where the writer has read up to.
import { setImmediate as nextTurn } from 'node:timers/promises'
import pg from 'pg'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { HistoryBodies } from '../history-bodies.ts'
import { signPoint } from '../history-chain.ts'
import type { HistoryKey } from '../history-key.ts'
import type { ChainPoint } from '../history.ts'
import { type Journal, type JournalEntry, type JournalPart, JournalRefusal, type Snapshot } from '../journal.ts'
import type { WriteLease } from '../lease-table.ts'
import { changesChannel } from './channel.ts'
import { heldLeasesSql, leaseValues, lockLeases } from './leases.ts'
import { beginWrite, inTransaction } from './transaction.ts'
import { chunkRows, entryOf, type LogRow, resourceOf, type ResourceRow, type RowChunk } from './rows.ts'

/** Leases that a write depends on: if one is not as it says, nothing is written. */
const withLeases = {
  cte: `held AS MATERIALIZED (${heldLeasesSql('$8', '$9')} ${lockLeases}), `,
  from: 'FROM (SELECT count(*) AS count FROM held) h',
  condition: 'AND h.count = cardinality($8::text[])',
}
const withoutLeases = { cte: '', from: '', condition: '' }

const appendSql = (leases: typeof withLeases): string => `
  WITH ${leases.cte}change AS MATERIALIZED (
    SELECT * FROM json_to_recordset($2::json) AS c (
      seq bigint, tx bigint, time text, class text, actor text, reason text, op text, type text, mesh text, name text,
      created text, before text, body text, logged text, sealed boolean, previous bigint, hash text, last boolean)
  ), turn AS (
    UPDATE weft.counter SET seq = $3, chain_seq = $4, chain_hash = decode($5, 'hex'), chain_signature = $6 ${leases.from}
    WHERE seq = $1 AND chain_hash = decode($7, 'hex') ${leases.condition} RETURNING seq
  ), put AS (
    INSERT INTO weft.resources (type, mesh, name, body, created, modified, version)
    SELECT c.type, c.mesh, c.name, c.body, c.created, c.time, c.seq FROM turn, change c WHERE c.last AND c.op = 'put'
    ON CONFLICT (type, mesh, name) DO UPDATE
      SET body = excluded.body, created = excluded.created, modified = excluded.modified, version = excluded.version
  ), gone AS (
    DELETE FROM weft.resources r USING turn, change c
    WHERE c.last AND c.op = 'delete' AND r.type = c.type AND r.mesh = c.mesh AND r.name = c.name
  ), logged AS (
    INSERT INTO weft.log (seq, tx, time, class, actor, reason, op, type, mesh, name, created, before, after, sealed, previous, hash)
    SELECT c.seq, c.tx, c.time, c.class, c.actor, c.reason, c.op, c.type, c.mesh, c.name, c.created, c.before,
      CASE WHEN c.class = 'desired' THEN CASE WHEN c.sealed THEN c.logged ELSE c.body END END, c.sealed IS TRUE, c.previous, decode(c.hash, 'hex')
    FROM turn, change c
  )
  SELECT pg_notify('${changesChannel}', turn.seq::text) FROM turn`
const append = { name: 'weft-append', text: appendSql(withoutLeases) }
const appendLeased = { name: 'weft-append-leased', text: appendSql(withLeases) }

// a value that was overtaken is left out: the change that overtook it brings its own
const readLog = {
  name: 'weft-read',
  text: `
  SELECT l.seq, l.tx, l.time, l.class, l.actor, l.reason, l.op, l.type, l.mesh, l.name, l.created, l.previous, encode(l.hash, 'hex') AS hash,
    CASE WHEN l.class = 'observed' OR l.sealed THEN r.body ELSE l.after END AS body
  FROM weft.log l
  LEFT JOIN weft.resources r
    ON (l.class = 'observed' OR l.sealed) AND l.op = 'put' AND r.type = l.type AND r.mesh = l.mesh AND r.name = l.name AND r.version = l.seq
  WHERE l.seq > $1 ORDER BY l.seq LIMIT $2`,
}
const askHead = { name: 'weft-head', text: 'SELECT c.seq, s.id FROM weft.counter c, weft.store s' }

const pageRows = 1000
/** Who is further behind loads everything anew. */
const maxBehind = 20_000
const loadTimeoutMs = 60_000

type Executor = Pick<pg.ClientBase, 'query'>

export interface PostgresJournalOptions {
  readonly pool: pg.Pool
  /** Id of the store that was opened; another one in its place is refused. */
  readonly id: string
  readonly chain: ChainPoint
  readonly key: HistoryKey
  readonly bodies: HistoryBodies
  readonly statementTimeoutMs: number
  readonly log: Logger
}

/** The journal of a database whose schema is up to date. Closing it ends the pool. */
export function createPostgresJournal(options: PostgresJournalOptions): Journal {
  const { pool, id, key, bodies, log } = options
  const begin = beginWrite(options.statementTimeoutMs)
  let chain = options.chain
  /** Until it is seen that prepared statements do not stay with a connection. */
  let isPreparing = true
  const prepared = (statement: { readonly name: string; readonly text: string }): { readonly name?: string; readonly text: string } =>
    isPreparing ? statement : { text: statement.text }
  /** Carries out what failed only for a lost statement, and so did nothing, once more without any. */
  const withStatements = async <T>(work: () => Promise<T>): Promise<T> => {
    const hadNames = isPreparing
    try {
      return await work()
    } catch (error) {
      if (!hadNames || !isLostStatement(error)) throw error
      if (isPreparing) log.warn({}, 'prepared statements do not stay with a connection (a pooler that shares sessions?), none are used')
      isPreparing = false
      return work()
    }
  }

  /** The end of the chain after these changes, or false when somebody else wrote after `after`. */
  const appendWith = async (
    on: Executor,
    { after, leases = [] }: { readonly after: number; readonly leases?: readonly WriteLease[] },
    chunks: Iterable<RowChunk>,
  ): Promise<ChainPoint | false> => {
    let at = after
    let end = chain
    for (const chunk of chunks) {
      const result = await on.query({
        ...prepared(leases.length === 0 ? append : appendLeased),
        values: [
          at,
          chunk.rows,
          chunk.lastSeq,
          chunk.chain.seq,
          chunk.chain.hash,
          signPoint(key, id, 'head', chunk.chain).signature,
          end.hash,
          ...(leases.length === 0 ? [] : leaseValues(leases)),
        ],
      })
      if (result.rowCount === 0) return false
      at = chunk.lastSeq
      end = chunk.chain
    }
    return end
  }
  const written = async (write: () => Promise<ChainPoint | false>): Promise<boolean> => {
    try {
      const end = await withStatements(write)
      if (end !== false) chain = end
      return end !== false
    } catch (error) {
      throw asRefusal(error)
    }
  }

  const readWith = async (on: Executor, after: number, head: number): Promise<JournalPart | undefined> => {
    const entries: { readonly entry: JournalEntry; readonly tx: string }[] = []
    let end = chain
    let last = after
    for (;;) {
      const { rows } = await on.query<LogRow>({ ...prepared(readLog), values: [last, pageRows] })
      for (const row of rows) {
        const entry = entryOf(row)
        if (entry.seq !== last + 1) return undefined
        last = entry.seq
        entries.push({ entry, tx: row.tx })
        if (row.hash !== null) end = follow(end, { seq: entry.seq, hash: row.hash, previous: Number(row.previous) })
      }
      if (rows.length < pageRows) break
      await nextTurn()
    }
    if (last < head) return undefined
    chain = end
    return { transactions: groupByTransaction(entries), head: last }
  }

  return {
    head: async () => {
      const { rows } = await withStatements(() => pool.query<{ seq: string; id: string }>(prepared(askHead)))
      const row = rows[0]
      if (row?.id !== id) throw new Error('the database holds another store than the one that was opened')
      return Number(row.seq)
    },
    read: (after, head) => (head - after > maxBehind ? Promise.resolve(undefined) : withStatements(() => readWith(pool, after, head))),
    holds: async (leases) => {
      const query = { name: 'weft-holds', text: heldLeasesSql('$1', '$2'), values: [...leaseValues(leases)] }
      return (await pool.query(query)).rowCount === leases.length
    },
    append: (after, transactions, leases) =>
      written(() => {
        const chunks = chunkRows(transactions, { from: chain, bodies })
        const start = [...take(chunks, 2)]
        // what fits into one statement is a transaction by itself
        return start.length === 1
          ? appendWith(pool, { after, leases }, start)
          : inTransaction(pool, (client) => appendWith(client, { after, leases }, concat(start, chunks)), begin)
      }),
    appendInTurn: (after, plan, leases) =>
      written(() =>
        inTransaction(
          pool,
          async (client) => {
            const { rows } = await client.query<{ seq: string; hash: string }>(
              `SELECT seq, encode(chain_hash, 'hex') AS hash FROM weft.counter FOR UPDATE`,
            )
            const head = Number(rows[0]?.seq)
            if (head === after && rows[0]?.hash !== chain.hash) throw otherHistory()
            if (head < after || head - after > maxBehind) return false
            const others = head === after ? { transactions: [], head } : await readWith(client, after, head)
            if (!others) return false
            const holds = await lockedLeases(client, leases)
            return appendWith(client, { after: head }, chunkRows(plan(others, holds), { from: chain, bodies }))
          },
          begin,
        ),
      ),
    load: async () => {
      const loaded = await loadAll(pool)
      chain = loaded.chain
      return loaded
    },
    close: () => pool.end(),
  }
}

/** Which of these leases are as they say, until the transaction ends. */
async function lockedLeases(on: Executor, leases: readonly WriteLease[]): Promise<(lease: WriteLease) => boolean> {
  if (leases.length === 0) return () => true
  const query = { name: 'weft-lock-leases', text: `${heldLeasesSql('$1', '$2')} ${lockLeases}`, values: [...leaseValues(leases)] }
  const { rows } = await on.query<{ name: string; epoch: string }>(query)
  const epochs = new Map(rows.map(({ name, epoch }) => [name, Number(epoch)]))
  return ({ name, epoch }) => epochs.get(name) === epoch
}

/** The chain one entry further. What was read twice is only compared. */
function follow(end: ChainPoint, entry: ChainPoint & { readonly previous: number }): ChainPoint {
  if (entry.seq < end.seq) return end
  if (entry.seq === end.seq ? entry.hash !== end.hash : entry.previous !== end.seq) throw otherHistory()
  return { seq: entry.seq, hash: entry.hash }
}

function otherHistory(): Error {
  return new Error(
    'the database holds other changes than those that were read from it: it was set back. Start this process anew to take its state',
  )
}

/** The first items of a generator, which stays open for the rest. */
function* take<T>(items: Iterator<T>, count: number): Generator<T> {
  for (let taken = 0; taken < count; taken += 1) {
    const next = items.next()
    if (next.done === true) return
    yield next.value
  }
}

function* concat<T>(first: Iterable<T>, rest: Iterable<T>): Generator<T> {
  yield* first
  yield* rest
}

function groupByTransaction(
  entries: readonly { readonly entry: JournalEntry; readonly tx: string }[],
): readonly (readonly JournalEntry[])[] {
  const groups: JournalEntry[][] = []
  let tx: string | undefined
  for (const item of entries) {
    if (item.tx !== tx) groups.push([])
    tx = item.tx
    groups.at(-1)?.push(item.entry)
  }
  return groups
}

/** The whole state at one number, and the end of the hash chain there. */
export async function loadAll(pool: pg.Pool): Promise<Snapshot & { readonly id: string; readonly chain: ChainPoint }> {
  return inTransaction(
    pool,
    async (client) => {
      const { rows: heads } = await client.query<{ seq: string; chain_seq: string; hash: string; id: string }>(
        `SELECT c.seq, c.chain_seq, encode(c.chain_hash, 'hex') AS hash, s.id FROM weft.counter c, weft.store s`,
      )
      const head = heads[0]
      if (!head) throw new AppError('store/unavailable', 'the database has lost the counter of its change log: restore a backup')
      const query = { text: 'SELECT type, mesh, name, body, created, modified, version FROM weft.resources', query_timeout: loadTimeoutMs }
      const { rows } = await client.query<ResourceRow>(query)
      return {
        id: head.id,
        seq: Number(head.seq),
        chain: { seq: Number(head.chain_seq), hash: head.hash },
        resources: rows.map(resourceOf),
      }
    },
    'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  )
}

/** A session knows nothing of a statement that was prepared in another one, or has one of this name from somebody else. */
function isLostStatement(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '26000' || error.code === '42P05')
}

/** Classes of SQLSTATE that speak about the content: data exceptions and exceeded limits of the program. */
function asRefusal(error: unknown): unknown {
  const isContent = error instanceof pg.DatabaseError && /^(22|54)/.test(error.code ?? '')
  return isContent && !hasCode(error, 'store/invalid') ? new JournalRefusal(messageOf(error)) : error
}
