// A listening HTTP or HTTPS server over a request handler: typed errors at start, connections closed at stop.
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { AppError, messageOf } from '@weft/foundation/errors'
import { createStrangers, peerOf } from '@weft/foundation/net'
import type { Clock } from '@weft/foundation/time'
import type { ListenerSettings, ServerCertificate } from './api-deps.ts'

export interface ListenerOptions {
  readonly settings: Pick<ListenerSettings, 'interface' | 'port'>
  /** What listens, for messages. */
  readonly label: string
  readonly handler: RequestListener
  readonly clock: Clock
  readonly tls?: TlsListenerOptions
  readonly timeouts?: ListenerTimeouts
}

/** Bounds for clients that are slow or gone. */
export interface ListenerTimeouts {
  /** Until the headers of a request are complete; 10 s by default. */
  readonly headersMs?: number
  /** Until the whole request is there; 60 s by default. */
  readonly requestMs?: number
  /** Without a byte in either direction while a request is served; unlimited by default. */
  readonly answerMs?: number
  /** Between requests; 2 min by default. */
  readonly idleMs?: number
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

/** So many connections without a whole request header may be open at once. */
const strangerLimit = 1024

/** Opens a listener. Errors: process/port-taken when the port is in use or not allowed. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const bounds = httpBounds(options.timeouts ?? {})
  const { server, stopFollowing } = options.tls
    ? tlsServer(options.handler, options.tls, bounds)
    : { server: createServer(bounds, options.handler), stopFollowing: () => {} }
  server.timeout = options.timeouts?.answerMs ?? 0
  // handshakes are over in this time, or never
  const strangers = createStrangers({ clock: options.clock, limit: strangerLimit, patienceMs: options.timeouts?.requestMs ?? 60_000 })
  server.on('connection', (socket: Socket) => {
    if (socket instanceof TLSSocket) return
    strangers.arrived(socket)
  })
  server.on('request', ({ socket }) => strangers.known(peerOf(socket)))
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

function httpBounds({ headersMs = 10_000, requestMs = 60_000, idleMs = 120_000 }: ListenerTimeouts): ServerOptions {
  const headersTimeout = Math.min(headersMs, requestMs)
  return {
    headersTimeout,
    requestTimeout: requestMs,
    keepAliveTimeout: idleMs,
    // how late a slow client is noticed at the most
    connectionsCheckingInterval: Math.max(25, Math.ceil(headersTimeout / 4)),
  }
}

interface TlsListening {
  readonly server: TlsServer
  readonly stopFollowing: () => void
}

function tlsServer(handler: RequestListener, tls: TlsListenerOptions, bounds: ServerOptions): TlsListening {
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
      ...bounds,
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
