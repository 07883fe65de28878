// The history in PostgreSQL, read beside the writes.
import type pg from 'pg'
import type { HistoryBodies } from '../history-bodies.ts'
import { type SignedPoint, walkChain } from '../history-chain.ts'
import type { HistoryKey } from '../history-key.ts'
import { chainedEntry, historyEntries, type HistoryRow } from '../history-rows.ts'
import type { History, HistoryEntry, HistoryQuery } from '../history.ts'

export interface PostgresHistoryOptions {
  readonly pool: pg.Pool
  /** Id of the store. */
  readonly id: string
  readonly key: HistoryKey
  readonly bodies: HistoryBodies
}

const columns = `seq, time, class, actor, reason, op, type, mesh, name, before, after, previous, encode(hash, 'hex') AS hash`
const verifyStep = 500

export function createPostgresHistory({ pool, id, key, bodies }: PostgresHistoryOptions): History {
  const read = async (query: HistoryQuery, isOpened: boolean): Promise<readonly HistoryEntry[]> => {
    const { text, values } = selection(query)
    const { rows } = await pool.query<HistoryRow>(text, [...values])
    return historyEntries(rows, bodies, isOpened)
  }
  const points = async (): Promise<{ readonly checkpoint: SignedPoint; readonly end: SignedPoint }> => {
    const { rows } = await pool.query<PointsRow>(
      `SELECT s.checkpoint_seq, encode(s.checkpoint_hash, 'hex') AS checkpoint_hash, s.checkpoint_signature,
         c.chain_seq, encode(c.chain_hash, 'hex') AS chain_hash, c.chain_signature
       FROM weft.store s, weft.counter c`,
    )
    const row = rows[0]
    return {
      checkpoint: { seq: Number(row?.checkpoint_seq ?? 0), hash: row?.checkpoint_hash ?? '', signature: row?.checkpoint_signature ?? '' },
      end: { seq: Number(row?.chain_seq ?? 0), hash: row?.chain_hash ?? '', signature: row?.chain_signature ?? '' },
    }
  }
  return {
    start: async () => (await points()).checkpoint.seq,
    entries: (query = {}) => read(query, false),
    opened: (query = {}) => read(query, true),
    seqAt: async (time) => {
      // numbers and times grow together but for clocks that differ: the last number of which the time is not later
      const { rows } = await pool.query<{ seq: string | null }>(
        `SELECT coalesce((SELECT seq FROM weft.log WHERE time <= $1 ORDER BY seq DESC LIMIT 1), (SELECT min(seq) - 1 FROM weft.log)) AS seq`,
        [time],
      )
      return Number(rows[0]?.seq ?? 0)
    },
    verify: async () => {
      for (;;) {
        const { checkpoint, end } = await points()
        const report = await walkChain({
          id,
          key,
          checkpoint,
          end,
          page: async (after, upTo) => {
            const text = `SELECT ${columns} FROM weft.log WHERE class = 'desired' AND seq > $1 AND seq <= $2 ORDER BY seq LIMIT ${verifyStep}`
            return (await pool.query<HistoryRow>(text, [after, upTo])).rows.map(chainedEntry)
          },
        })
        // entries that were pruned under the walk are no problem of the chain
        if (report.ok || (await points()).checkpoint.seq === checkpoint.seq) return report
      }
    },
  }
}

interface PointsRow {
  readonly checkpoint_seq: string
  readonly checkpoint_hash: string
  readonly checkpoint_signature: string
  readonly chain_seq: string
  readonly chain_hash: string
  readonly chain_signature: string
}

/** False when the store belongs to another key. The first key that asks is its key. */
export async function isKeyOfStore(pool: pg.Pool, key: HistoryKey): Promise<boolean> {
  const mark = key.sign('the key of this store')
  const { rows } = await pool.query<{ history_key: string }>(
    `UPDATE weft.store SET history_key = CASE WHEN history_key = '' THEN $1 ELSE history_key END RETURNING history_key`,
    [mark],
  )
  return rows[0]?.history_key === mark
}

function selection(query: HistoryQuery): { readonly text: string; readonly values: readonly (string | number)[] } {
  const values: (string | number)[] = []
  const conditions: string[] = []
  const add = (condition: (at: string) => string, value: string | number | undefined): void => {
    if (value === undefined) return
    values.push(value)
    conditions.push(condition(`$${values.length}`))
  }
  add((at) => `seq > ${at}`, query.afterSeq ?? 0)
  add((at) => `seq < ${at}`, query.beforeSeq)
  add((at) => `class = ${at}`, query.class)
  add((at) => `type = ${at}`, query.type)
  add((at) => `mesh = ${at}`, query.mesh)
  add((at) => `name = ${at}`, query.name)
  add((at) => `starts_with(actor, ${at})`, query.actorPrefix)
  const order = query.order === 'newest' ? 'DESC' : 'ASC'
  add((at) => at, query.limit ?? 100)
  const limit = conditions.pop() ?? ''
  return { text: `SELECT ${columns} FROM weft.log WHERE ${conditions.join(' AND ')} ORDER BY seq ${order} LIMIT ${limit}`, values }
}
