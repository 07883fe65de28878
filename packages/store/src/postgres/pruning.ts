// Takes old entries out of the change log in PostgreSQL, beside the writes and never in their way.
import type pg from 'pg'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { type Clock, timestamp } from '@weft/foundation/time'
import { signPoint } from '../history-chain.ts'
import type { HistoryKey } from '../history-key.ts'
import { createObservedRetention, type HistoryRetention } from '../retention.ts'
import { inTransaction } from './transaction.ts'

export interface PruningOptions {
  readonly pool: pg.Pool
  readonly clock: Clock
  readonly log: Logger
  readonly retention: HistoryRetention
  /** Of the store. */
  readonly id: string
  readonly key: HistoryKey
}

/** One instance at a time; the others leave it to that one. */
const alone = `pg_try_advisory_xact_lock(${0x77656670})`
const maxRows = 50_000

const observedSql = `
  DELETE FROM weft.log WHERE ${alone} AND seq IN (
    SELECT seq FROM weft.log WHERE class = 'observed' AND seq <= $1 ORDER BY seq LIMIT ${maxRows})`

const oldestSql = `
  SELECT max(seq) AS seq FROM (
    SELECT seq FROM weft.log WHERE ${alone} AND class = 'desired' AND (
      time < $2 OR seq <= (SELECT seq FROM weft.log WHERE class = 'desired' ORDER BY seq DESC OFFSET $1 LIMIT 1))
    ORDER BY seq LIMIT ${maxRows}) AS old`

/** Prunes after commits, at most every 10 s. Several instances may do so at the same time. */
export function createPruning(options: PruningOptions): { committed(seq: number): void; settled(): Promise<void> } {
  const { pool, clock, log, retention, id, key } = options
  const due = createObservedRetention(clock)
  let running = Promise.resolve()
  const later = (work: () => Promise<unknown>): void => {
    running = running.then(work).then(
      () => undefined,
      (error: unknown) => log.debug({ err: messageOf(error) }, 'old changes could not be removed'),
    )
  }
  /** The newest of what goes is the checkpoint that the chain goes on from. */
  const pruneDesired = (client: pg.PoolClient): Promise<boolean> =>
    client
      .query<{ seq: string | null }>(oldestSql, [
        retention.maxEntries,
        retention.maxAgeMs > 0 ? timestamp(clock.now() - retention.maxAgeMs) : '',
      ])
      .then(async ({ rows }) => {
        const seq = rows[0]?.seq
        if (seq === null || seq === undefined) return false
        const { rows: gone } = await client.query<{ hash: string }>(
          `WITH gone AS (DELETE FROM weft.log WHERE class = 'desired' AND seq <= $1 RETURNING seq, hash)
           SELECT encode(hash, 'hex') AS hash FROM gone WHERE seq = $1`,
          [seq],
        )
        const point = signPoint(key, id, 'checkpoint', { seq: Number(seq), hash: gone[0]?.hash ?? '' })
        await client.query(`UPDATE weft.store SET checkpoint_seq = $1, checkpoint_hash = decode($2, 'hex'), checkpoint_signature = $3`, [
          point.seq,
          point.hash,
          point.signature,
        ])
        return true
      })
  return {
    committed: (seq) => {
      const upTo = due(seq)
      if (upTo === undefined) return
      if (upTo > 0) later(() => pool.query(observedSql, [upTo]))
      later(() => inTransaction(pool, pruneDesired, 'BEGIN'))
    },
    settled: () => running,
  }
}
