// What the settings of NATS say, as options of its client. Files are read at every connection, so that rotated ones are used without a restart.
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { credsAuthenticator, type NodeConnectionOptions, nkeyAuthenticator } from '@nats-io/transport-node'
import { AppError, messageOf } from '@weft/foundation/errors'
import { isSet, type NatsServer, type NatsSettings } from './settings.ts'

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

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new AppError('config/unreadable', `cannot read ${path}: ${messageOf(error)}`, { cause: error })
  }
}
