// What went wrong with a database, in words for the operator and without its password, and whether it may pass by itself.
import pg from 'pg'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { PostgresSettings } from './settings.ts'

/** Errors of ours as they are, all others as store/unavailable naming the database; retryable when waiting may help. */
export function asUnavailable(error: unknown, settings: PostgresSettings): AppError {
  if (error instanceof AppError) return error
  const where = `${settings.user}@${settings.host}:${settings.port}/${settings.database}`
  // Node tries several addresses of a name and says nothing at the top when all fail
  const causes = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error)
  return new AppError('store/unavailable', `cannot use the PostgreSQL database ${where}: ${causes}`, {
    cause: error,
    retryable: isPassing(error),
  })
}

/**
 * Classes of SQLSTATE that end by themselves: connection, rollback, resources (disk full, too many connections), objects in use, operator
 * (shut down, starting up), system. All others (a wrong password, no such database, no right to a table) stay until somebody acts.
 */
const passingStates = new Set(['08', '40', '53', '55', '57', '58'])

/** What the client says of a connection that broke or did not answer; it gives these no code. A refusal of TLS or of SASL says neither. */
const brokenConnection = /\b(timeout|terminated|connection error)\b/

function isPassing(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return passingStates.has(error.code?.slice(0, 2) ?? '')
  if (error instanceof AggregateError) return error.errors.some(isPassing)
  if (!(error instanceof Error)) return false
  // of a failed system call: refused, unreachable, reset, a name that cannot be resolved
  return 'syscall' in error || (!('code' in error) && brokenConnection.test(error.message))
}
