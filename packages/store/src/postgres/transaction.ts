// A transaction on a connection of its own that ends with the callback, whatever becomes of either.
import type pg from 'pg'

/**
 * Begins a write. A writer that is paused while it holds the turn loses it, because the server ends its session; one that waits for the
 * turn hears from the server before it gives up by itself.
 */
export function beginWrite(statementTimeoutMs: number): string {
  const [idle, lock] = [statementTimeoutMs * 0.5, statementTimeoutMs * 0.8].map(Math.round)
  return `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${idle}; SET LOCAL lock_timeout = ${lock}`
}

/** Commits when `work` resolves with anything but false, else rolls back. */
export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>, begin: string): Promise<T> {
  const client = await pool.connect()
  let failure: unknown
  // a connection that breaks between two statements must not end the process
  const onError = (error: Error): void => void (failure = error)
  client.on('error', onError)
  try {
    await client.query(begin)
    const result = await work(client)
    await client.query(result === false ? 'ROLLBACK' : 'COMMIT')
    return result
  } catch (error) {
    failure = error
    throw error
  } finally {
    client.removeListener('error', onError)
    // ending the session rolls back whatever is open in it
    client.release(failure instanceof Error ? failure : failure !== undefined)
  }
}
