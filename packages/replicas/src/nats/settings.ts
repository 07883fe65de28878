// How to reach NATS: what the settings say, as options of its client. Files are read at every connection, so that rotated ones are used
// without a restart.
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { credsAuthenticator, type NodeConnectionOptions, nkeyAuthenticator } from '@nats-io/transport-node'
import { AppError, messageOf } from '@weft/foundation/errors'

export interface NatsSettings {
  /** `nats://host:port` or, where the connection has to be encrypted, `tls://host:port`; they are tried in turn. */
  readonly servers: readonly string[]
  /** One kind of credentials at most. '' is none, here as below. */
  readonly user?: string
  readonly password?: string
  readonly token?: string
  /** File with the seed of an NKey. */
  readonly nkeyFile?: string
  /** File with a JWT and its seed, as `nsc` writes it. */
  readonly credentialsFile?: string
  /** PEM files. Any of them asks for TLS. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
}

export interface NatsServer {
  readonly host: string
  readonly port: number
  readonly isEncrypted: boolean
}

/** Throws config/invalid, naming the setting by its end, when they cannot be used together. */
export function checkNatsSettings(settings: NatsSettings): void {
  for (const server of settings.servers) parseNatsServer(server)
  const kinds = (['user', 'token', 'nkeyFile', 'credentialsFile'] as const).filter((key) => isSet(settings[key]))
  if (kinds.length > 1) throw invalid(`${kinds.join(' and ')} cannot be used together`)
  if (isSet(settings.password) && !isSet(settings.user)) throw invalid('password needs user')
  if (isSet(settings.tls?.certFile) !== isSet(settings.tls?.keyFile)) throw invalid('tls.certFile and tls.keyFile must be set together')
}

/** Options for one attempt at one server. Throws config/unreadable when a file cannot be read. */
export function natsConnectionOptions(settings: NatsSettings, { host, port, isEncrypted }: NatsServer): NodeConnectionOptions {
  const { caFile, certFile, keyFile } = settings.tls ?? {}
  const needsTls = isEncrypted || [caFile, certFile, keyFile].some(isSet)
  const tls = {
    // who is meant by an address is not taken from the URL by the client
    ...(isIP(host) === 0 ? {} : { host }),
    ...(isSet(caFile) ? { ca: readText(caFile) } : {}),
    ...(isSet(certFile) ? { cert: readText(certFile) } : {}),
    ...(isSet(keyFile) ? { key: readText(keyFile) } : {}),
  }
  return {
    servers: [`${isIP(host) === 6 ? `[${host}]` : host}:${port}`],
    ...(needsTls ? { tls } : {}),
    ...authentication(settings),
    reconnect: false,
    noEcho: true,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
  }
}

function authentication(settings: NatsSettings): NodeConnectionOptions {
  const { user, password, token, nkeyFile, credentialsFile } = settings
  if (isSet(user)) return { user, pass: password ?? '' }
  if (isSet(token)) return { token }
  if (isSet(nkeyFile)) return { authenticator: nkeyAuthenticator(Buffer.from(readText(nkeyFile).trim())) }
  if (isSet(credentialsFile)) return { authenticator: credsAuthenticator(Buffer.from(readText(credentialsFile))) }
  return {}
}

/** Reads `nats://host:port` or `tls://host:port`. Throws config/invalid. */
export function parseNatsServer(server: string): NatsServer {
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.*)$/.exec(server) ?? []
  // http, because what follows is read alike and other schemes have other rules
  const url = URL.canParse(`http://${rest}`) ? new URL(`http://${rest}`) : undefined
  const isPlain = url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '' && !/\s/.test(rest)
  if (url && (url.username !== '' || url.password !== ''))
    throw invalid('a server must not hold credentials; they have settings of their own')
  if ((scheme !== 'nats' && scheme !== 'tls') || !isPlain)
    throw invalid(`a server must look like nats://host:4222 or tls://host:4222, not ${JSON.stringify(server)}`)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  // 80 is what an http URL does not say
  const port = url.port === '' ? (/:80\/?$/.test(rest) ? 80 : 4222) : Number(url.port)
  return { host, port, isEncrypted: scheme === 'tls' }
}

function invalid(message: string): AppError {
  return new AppError('config/invalid', `NATS: ${message}`)
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
