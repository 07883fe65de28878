// How to reach a PostgreSQL: what the settings say, as options of its client. Files are read at every connection, so rotated ones are used
// without a restart.
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { AppError, messageOf } from '@weft/foundation/errors'
import pg from 'pg'

/** Kuma's modes: no TLS; TLS with any certificate; one of a trusted authority; and one that names the host. */
export type PostgresTlsMode = 'disable' | 'verifyNone' | 'verifyCa' | 'verifyFull'

export interface PostgresSettings {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** Of a connection attempt; 5,000 ms by default. */
  readonly connectTimeoutMs?: number
  /** Answers of one statement are awaited this long before the connection counts as lost; 10,000 ms by default. */
  readonly statementTimeoutMs?: number
  /** At most this many connections besides the one that listens; 10 by default. */
  readonly maxConnections?: number
  readonly minConnections?: number
  readonly tls?: {
    readonly mode: PostgresTlsMode
    /** PEM files; '' is none. */
    readonly certPath?: string
    readonly keyPath?: string
    readonly caPath?: string
  }
}

/** How long the answer of a statement is awaited. */
export function statementTimeoutOf(settings: PostgresSettings): number {
  return settings.statementTimeoutMs ?? 10_000
}

/** Makes connections; a file that cannot be read at the moment leaves the content it had before in use. */
export interface PostgresConnections {
  /** A connection of its own, not open yet. */
  client(): pg.Client
  readonly pool: pg.Pool
}

/** Throws config/unreadable when a file cannot be read. */
export function createConnections(settings: PostgresSettings): PostgresConnections {
  let tls = tlsOptions(settings)
  const options = (): pg.ClientConfig => {
    try {
      tls = tlsOptions(settings)
    } catch {
      // being replaced right now; what was read before may still do, and if not the server says so
    }
    return {
      host: settings.host,
      port: settings.port,
      user: settings.user,
      password: settings.password,
      database: settings.database,
      application_name: 'weft',
      connectionTimeoutMillis: settings.connectTimeoutMs ?? 5000,
      query_timeout: statementTimeoutOf(settings),
      keepAlive: true,
      ssl: tls,
    }
  }
  class Client extends pg.Client {
    constructor() {
      super(options())
    }
  }
  const pool = new pg.Pool({
    Client,
    max: settings.maxConnections ?? 10,
    min: settings.minConnections ?? 0,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: settings.connectTimeoutMs ?? 5000,
    allowExitOnIdle: true,
  })
  return { client: () => new Client(), pool }
}

function tlsOptions(settings: PostgresSettings): false | ConnectionOptions {
  const { tls } = settings
  if (tls === undefined || tls.mode === 'disable') return false
  const certificate = readOptional(tls.certPath)
  const key = readOptional(tls.keyPath)
  const ca = readOptional(tls.caPath)
  return {
    rejectUnauthorized: tls.mode !== 'verifyNone',
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
    ...(tls.mode === 'verifyFull' ? {} : { checkServerIdentity: () => undefined }),
  }
}

function readOptional(path: string | undefined): string | undefined {
  if (path === undefined || path === '') return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new AppError('config/unreadable', `cannot read ${path}: ${messageOf(error)}`, { cause: error })
  }
}
