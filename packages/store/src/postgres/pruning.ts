// Takes old entries out of the change log in PostgreSQL, beside the writes and never in their way.
import type pg from 'pg'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { type Clock, timestamp } from '@weft/foundation/time'
import { createObservedRetention, type HistoryRetention } from '../retention.ts'

export interface PruningOptions {
  readonly pool: pg.Pool
  readonly clock: Clock
  readonly log: Logger
  readonly retention: HistoryRetention
}

/** One instance at a time; the others leave it to that one. */
const alone = `pg_try_advisory_xact_lock(${0x77656670})`
const maxRows = 50_000

const observedSql = `
  DELETE FROM weft.log WHERE ${alone} AND seq IN (
    SELECT seq FROM weft.log WHERE class = 'observed' AND seq <= $1 ORDER BY seq LIMIT ${maxRows})`

// the newest of what goes is the checkpoint that the chain goes on from
const desiredSql = `
  WITH gone AS (
    DELETE FROM weft.log WHERE ${alone} AND seq IN (
      SELECT seq FROM weft.log WHERE class = 'desired' AND (
        time < $2 OR seq <= (SELECT seq FROM weft.log WHERE class = 'desired' ORDER BY seq DESC OFFSET $1 LIMIT 1))
      ORDER BY seq LIMIT ${maxRows})
    RETURNING seq, hash
  )
  UPDATE weft.store SET checkpoint_seq = last.seq, checkpoint_hash = last.hash
  FROM (SELECT seq, hash FROM gone ORDER BY seq DESC LIMIT 1) AS last`

/** Prunes after commits, at most every 10 s. Several instances may do so at the same time. */
export function createPruning(options: PruningOptions): { committed(seq: number): void; settled(): Promise<void> } {
  const { pool, clock, log, retention } = options
  const due = createObservedRetention(clock)
  let running = Promise.resolve()
  const later = (text: string, values: readonly unknown[]): void => {
    running = running
      .then(() => pool.query(text, [...values]))
      .then(
        () => undefined,
        (error: unknown) => log.debug({ err: messageOf(error) }, 'old changes could not be removed'),
      )
  }
  return {
    committed: (seq) => {
      const upTo = due(seq)
      if (upTo === undefined) return
      if (upTo > 0) later(observedSql, [upTo])
      later(desiredSql, [retention.maxEntries, retention.maxAgeMs > 0 ? timestamp(clock.now() - retention.maxAgeMs) : ''])
    },
    settled: () => running,
  }
}
