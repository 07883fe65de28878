// How to reach Redis: what the settings say, as options of its client.
import { readFileSync } from 'node:fs'
import { AppError, messageOf } from '@weft/foundation/errors'

export interface RedisSettings {
  /** `redis://host:port/database` or, with TLS, `rediss://...`; without credentials. */
  readonly url: string
  /** '' is none, here as below. */
  readonly user?: string
  readonly password?: string
  /** PEM files for TLS, read at the start of the process. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
}

/** Where a Redis is, without anything secret. */
export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly database: number
  readonly isEncrypted: boolean
}

/** Throws config/invalid when the settings cannot be used. */
export function checkRedisSettings(settings: RedisSettings): RedisAddress {
  const address = addressOf(settings.url)
  const { caFile, certFile, keyFile } = settings.tls ?? {}
  if (isSet(settings.user) && !isSet(settings.password)) throw invalid('user needs password')
  if (isSet(certFile) !== isSet(keyFile)) throw invalid('tls.certFile and tls.keyFile must be set together')
  if (!address.isEncrypted && [caFile, certFile, keyFile].some(isSet)) throw invalid('TLS files need a URL that begins with rediss://')
  return address
}

/** Where the client connects to and as whom, in its terms. */
export interface RedisConnection {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly username?: string
  readonly password?: string
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
}

/** Options of the client. Throws config/invalid, or config/unreadable when a file cannot be read. */
export function redisOptions(settings: RedisSettings): RedisConnection {
  const { host, port, database, isEncrypted } = checkRedisSettings(settings)
  const { user, password, tls: { caFile, certFile, keyFile } = {} } = settings
  return {
    host,
    port,
    db: database,
    ...(isSet(user) ? { username: user } : {}),
    ...(isSet(password) ? { password } : {}),
    ...(isEncrypted
      ? {
          tls: {
            ...(isSet(caFile) ? { ca: readText(caFile) } : {}),
            ...(isSet(certFile) ? { cert: readText(certFile) } : {}),
            ...(isSet(keyFile) ? { key: readText(keyFile) } : {}),
          },
        }
      : {}),
  }
}

function addressOf(text: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && (url.username !== '' || url.password !== ''))
    throw invalid('the URL must not hold credentials; they have settings of their own')
  const database = /^\/(\d{0,4})$/.exec(url?.pathname || '/')
  const isRedis = url !== undefined && ['redis:', 'rediss:'].includes(url.protocol) && url.hostname !== ''
  if (!url || !isRedis || !database || url.search !== '' || url.hash !== '')
    throw invalid(`the URL must look like redis://host:6379 or rediss://host:6379/0, not ${JSON.stringify(text)}`)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    database: Number(database[1]),
    isEncrypted: url.protocol === 'rediss:',
  }
}

function invalid(message: string): AppError {
  return new AppError('config/invalid', `Redis: ${message}`)
}

function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== ''
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new AppError('config/unreadable', `cannot read ${path}: ${messageOf(error)}`, { cause: error })
  }
}
