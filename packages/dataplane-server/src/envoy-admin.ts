// Reads the admin API of connected Envoys: configuration, statistics, clusters. Over mutual TLS through the proxy's admin listener, or
// plainly where Envoy's own admin is on the loopback address we reach it by (contract/dataplane.md section 14.3).
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Clock } from '@weft/foundation/time'
import type { ProxyMetadata } from '@weft/facts'
import type { AdminAuthority } from '@weft/identity'
import type { DataplaneSpec } from '@weft/resources'
import type { Store } from '@weft/store'
import { redactAuthorization } from './redact.ts'

export interface ProxyName {
  readonly mesh: string
  readonly name: string
}

export type AdminFormat = 'text' | 'json'

/** Errors of every call: store/not-found when there is no such Dataplane; api/bad-request when its Envoy does not answer in time or refuses. */
export interface EnvoyAdmin {
  /** JSON text; credentials are replaced. */
  configDump(proxy: ProxyName, options: { readonly includeEds: boolean }): Promise<string>
  stats(proxy: ProxyName, options: { readonly format: AdminFormat; readonly usedOnly?: boolean }): Promise<string>
  clusters(proxy: ProxyName, options: { readonly format: AdminFormat }): Promise<string>
  /** Ends the Envoy. */
  quit(proxy: ProxyName): Promise<void>
}

export interface EnvoyAdminOptions {
  readonly store: Pick<Store, 'get'>
  readonly authority: AdminAuthority
  /** Metadata of a proxy that is connected here. */
  readonly metadata: (proxyKey: string) => ProxyMetadata | undefined
  readonly defaultAdminPort: number
  readonly clock: Clock
}

const totalMs = 5000
const connectMs = 3000
const maxBytes = 64 << 20

interface Target {
  readonly address: string
  readonly port: number
  readonly isPlain: boolean
}

export function createEnvoyAdmin(options: EnvoyAdminOptions): EnvoyAdmin {
  const { authority } = options
  let context: SecureContext | undefined
  /** Made once: parsing certificates and keys costs more than a request, and proxies are asked every few seconds while a zone is out of reach. */
  const clientContext = (): SecureContext =>
    (context ??= createSecureContext({
      ca: authority.caPem,
      cert: authority.client.certificatePem,
      key: authority.client.privateKeyPem,
      minVersion: 'TLSv1.2',
    }))
  const call = async (proxy: ProxyName, method: 'GET' | 'POST', path: string): Promise<string> => {
    const target = targetOf(proxy, options)
    try {
      return await fetchText(target, { method, path }, { clock: options.clock, clientContext })
    } catch (error) {
      if (error instanceof AppError) throw error
      throw new AppError(
        'api/bad-request',
        `envoy of dataplane "${proxy.name}" does not answer at ${target.address}:${target.port}: ${messageOf(error)}`,
        {
          cause: error,
          retryable: true,
        },
      )
    }
  }
  return {
    configDump: async (proxy, { includeEds }) =>
      redactAuthorization(await call(proxy, 'GET', `/config_dump${includeEds ? '?include_eds' : ''}`)),
    stats: (proxy, { format, usedOnly = true }) => {
      const query = [...(usedOnly ? ['usedonly'] : []), ...(format === 'json' ? ['format=json'] : [])].join('&')
      return call(proxy, 'GET', `/stats${query === '' ? '' : `?${query}`}`)
    },
    clusters: (proxy, { format }) => call(proxy, 'GET', `/clusters${format === 'json' ? '?format=json' : ''}`),
    quit: async (proxy) => {
      await call(proxy, 'POST', '/quitquitquit')
    },
  }
}

function targetOf(proxy: ProxyName, options: EnvoyAdminOptions): Target {
  const stored = options.store.get({ type: 'Dataplane', mesh: proxy.mesh, name: proxy.name })
  if (!stored) throw new AppError('store/not-found', `resource not found: type=Dataplane name=${proxy.name} mesh=${proxy.mesh}`)
  // stored Dataplanes passed the codec of their kind
  const networking = (stored.spec as DataplaneSpec).networking
  const metadata = options.metadata(`${proxy.mesh}/${proxy.name}`)
  const address = networking?.address ?? ''
  const port = networking?.admin?.port || metadata?.adminPort || options.defaultAdminPort
  // with a socket of its own, what listens at the port is the admin listener, also on loopback
  const isPlain = metadata?.adminSocketPath === undefined && address === (metadata?.adminAddress ?? '127.0.0.1')
  return { address, port, isPlain }
}

async function fetchText(
  target: Target,
  what: { readonly method: string; readonly path: string },
  { clock, clientContext }: { readonly clock: Clock; readonly clientContext: () => SecureContext },
): Promise<string> {
  const common: RequestOptions = { host: target.address, port: target.port, ...what, agent: false, timeout: connectMs }
  const secured = (): RequestOptions & Pick<ConnectionOptions, 'secureContext'> => ({ ...common, secureContext: clientContext() })
  const request = target.isPlain ? httpRequest(common) : httpsRequest(secured())
  const deadline = clock.after(totalMs, () => request.destroy(new Error(`no complete answer within ${totalMs / 1000} s`)))
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      request.on('error', reject)
      request.once('timeout', () => request.destroy(new Error(`no connection within ${connectMs / 1000} s`)))
      request.end()
    })
    const text = await readText(response)
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode ?? 0}`)
    return text
  } finally {
    deadline.cancel()
    request.destroy()
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    // without an encoding set, chunks are buffers
    const bytes = chunk as Buffer
    size += bytes.length
    if (size > maxBytes) throw new Error(`the answer is larger than ${maxBytes >> 20} MiB`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}
