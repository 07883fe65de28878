// What went wrong with a database, in words for the operator and without its password.
import { AppError, messageOf } from '@weft/foundation/errors'
import type { PostgresSettings } from './settings.ts'

/** Errors of ours as they are, all others as store/unavailable naming the database. */
export function asUnavailable(error: unknown, settings: PostgresSettings): AppError {
  if (error instanceof AppError) return error
  const where = `${settings.user}@${settings.host}:${settings.port}/${settings.database}`
  // Node tries several addresses of a name and says nothing at the top when all fail
  const causes = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : messageOf(error)
  return new AppError('store/unavailable', `cannot use the PostgreSQL database ${where}: ${causes}`, { cause: error, retryable: true })
}
