// A listening HTTP or HTTPS server over a request handler: typed errors at start, connections closed at stop.
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Clock } from '@weft/foundation/time'
import type { ListenerSettings, ServerCertificate } from './api-deps.ts'

export interface ListenerOptions {
  readonly settings: Pick<ListenerSettings, 'interface' | 'port'>
  /** What listens, for messages. */
  readonly label: string
  readonly handler: RequestListener
  readonly clock: Clock
  readonly tls?: TlsListenerOptions
  readonly timeouts?: { readonly headersMs?: number; readonly requestMs?: number; readonly idleMs?: number }
}

export interface TlsListenerOptions {
  readonly certificate: ServerCertificate
  readonly clientCaPem?: string
  readonly requireClientCertificate?: boolean
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
}

export interface Listener {
  /** The port in use. */
  readonly port: number
  close(): Promise<void>
}

/** Opens a listener. Errors: process/port-taken when the port is in use or not allowed. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { server, stopFollowing } = options.tls
    ? tlsServer(options.handler, options.tls)
    : { server: createServer(options.handler), stopFollowing: () => {} }
  server.headersTimeout = options.timeouts?.headersMs ?? 10_000
  server.requestTimeout = options.timeouts?.requestMs ?? 60_000
  server.keepAliveTimeout = options.timeouts?.idleMs ?? 120_000
  try {
    await bind(server, options.settings)
  } catch (error) {
    stopFollowing()
    const { interface: host, port } = options.settings
    throw new AppError('process/port-taken', `${options.label} cannot listen on ${host}:${port}: ${messageOf(error)}`, {
      cause: error,
      details: { host, port },
    })
  }
  // a bound TCP server has an AddressInfo
  const { port } = server.address() as AddressInfo
  return { port, close: () => close(server, { stopFollowing, clock: options.clock }) }
}

function tlsServer(handler: RequestListener, tls: TlsListenerOptions): { readonly server: TlsServer; readonly stopFollowing: () => void } {
  const { certificate } = tls
  const material = (current: ServerCertificate['current']) => ({
    cert: current.certificatePem,
    key: current.privateKeyPem,
    minVersion: tls.minVersion ?? 'TLSv1.2',
    ...(tls.clientCaPem === undefined ? {} : { ca: tls.clientCaPem }),
  })
  const asks = tls.clientCaPem !== undefined
  const server = createTlsServer(
    {
      ...material(certificate.current),
      ALPNProtocols: ['http/1.1'],
      requestCert: asks,
      rejectUnauthorized: tls.requireClientCertificate === true,
    },
    handler,
  )
  const stopFollowing = certificate.onChange((current) => server.setSecureContext(material(current)))
  return { server, stopFollowing }
}

function bind(server: Server | TlsServer, at: { readonly interface: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(at.port, at.interface, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

const graceMs = 5000

async function close(
  server: Server | TlsServer,
  { stopFollowing, clock }: { readonly stopFollowing: () => void; readonly clock: Clock },
): Promise<void> {
  stopFollowing()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  // a client that never finishes must not hold up the end of the process
  const force = clock.after(graceMs, () => server.closeAllConnections())
  await closed
  force.cancel()
}
