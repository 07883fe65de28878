// How to reach NATS, as the settings say it. Without its client, so that who does not use it need not load it.
import { AppError } from '@weft/foundation/errors'

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

/** Whether a setting has a value. */
export function isSet(text: string | undefined): text is string {
  return text !== undefined && text !== ''
}
