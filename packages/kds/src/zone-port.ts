// The port zones connect to: TCP, or TLS whose certificate and client authorities may be replaced while it runs, handed to gRPC. Knows of
// each connection what admission asks about, and closes those that never become a zone's.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { constants } from 'node:crypto'
import type { Http2Session } from 'node:http2'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { type Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { closeDrained, createSilenceWatch, listen, type SilenceWatch } from '@weft/foundation/net'
import type { Clock } from '@weft/foundation/time'
import type { ClientAuthorities, ServerTls } from '@weft/foundation/tls'
import { type ClientCertificate, readClientCertificate } from './client-certificate.ts'

/** How the port is encrypted. */
export interface ZonePortTls {
  readonly server: Pick<ServerTls, 'current' | 'onChange'>
  /** With them, client certificates are asked for and verified. */
  readonly clients?: Pick<ClientAuthorities, 'current' | 'onChange'>
}

/** One connection of a peer. */
export interface ZoneConnection {
  /** Address without the port. */
  readonly peerHost: string
  readonly encrypted: boolean
  /** What the peer presented: its names, or why it cannot be verified. */
  readonly certificate: ClientCertificate | { readonly problem: string } | undefined
  /** Whether the peer answers a ping of the transport within the limit. */
  ping(limitMs: number): Promise<boolean>
  /** A stream of a zone was admitted: the connection may stay. */
  admitted(): void
  /** Ends it and everything on it without another word: a peer that does not read would not hear one. */
  drop(): void
}

export interface ZonePort {
  /** Resolves with the port once connections are taken. Errors: process/port-taken, config/invalid. */
  listen(): Promise<number>
  /** The open connection of a peer (`address:port`, as gRPC names it). */
  connection(peer: string): ZoneConnection | undefined
  /** Called when the client authorities were replaced: what they vouched for has to be shown again. */
  onAuthorities(listener: () => void): void
  /** Takes no new connections, says GOAWAY to those there are, and drops what is left after `drainMs`. */
  close(drainMs: number): Promise<void>
}

export interface ZonePortOptions {
  readonly host: string
  readonly port: number
  readonly tls: ZonePortTls | undefined
  readonly grpc: GrpcServer
  readonly clock: Clock
  readonly log: Logger
  /** Finds half-open connections; its own by default. */
  readonly silence?: SilenceWatch
}

/** How long a peer may take for its TLS handshake. */
const handshakeMs = 5_000
/** How long a connection may stay without an admitted stream. */
const strangerMs = 10_000
/** So many connections without an admitted stream may be open; of more, the oldest is closed. */
const strangerLimit = 512

/**
 * gRPC asks every zone for an answer this often, and `silenceMs` judges whether one came. gRPC's own limit counts time in which this process stood
 * still too, and would cut off all zones at once when it comes round: it is the fallback.
 */
export const keepaliveOptions = { 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 60_000 } as const
/** A zone that is silent for so long is gone. */
const silenceMs = 15_000

interface OpenConnection extends ZoneConnection {
  readonly localPort: number | undefined
  session: Http2Session | undefined
}

/** Makes the port; nothing listens before `listen`. */
export function createZonePort(options: ZonePortOptions): ZonePort {
  const { clock, log, tls } = options
  const injector = options.grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const connections = new Map<string, OpenConnection>()
  const sockets = new Map<string, Socket>()
  const strangers = new Map<Socket, () => void>()
  const silence = options.silence ?? createSilenceWatch({ clock, limitMs: silenceMs })
  const listeners = new Set<() => void>()
  const server = tls ? tlsServer(tls) : createTcpServer({ noDelay: true })
  const stopReloading = tls ? followFiles(tls, server, listeners) : () => {}

  const isStranger = (socket: Socket): void => {
    const timer = clock.after(strangerMs, () => socket.destroy())
    strangers.set(socket, () => timer.cancel())
    const [oldest] = strangers.keys()
    if (strangers.size > strangerLimit && oldest) oldest.destroy()
  }
  const isKnown = (socket: Socket): void => {
    strangers.get(socket)?.()
    strangers.delete(socket)
  }
  const accept = (socket: Socket, raw: Socket, certificate: OpenConnection['certificate']): void => {
    const peer = peerOf(socket)
    const connection: OpenConnection = {
      peerHost: socket.remoteAddress ?? '',
      encrypted: tls !== undefined,
      certificate,
      localPort: socket.localPort,
      session: undefined,
      ping: (limitMs) => ping(connection.session, limitMs, clock),
      admitted: () => isKnown(raw),
      drop: () => raw.destroy(),
    }
    connections.set(peer, connection)
    const unwatch = silence.watch(socket, () => {
      log.info({ peer }, 'kds connection is silent')
      raw.destroy()
    })
    socket.once('close', () => {
      unwatch()
      if (connections.get(peer) === connection) connections.delete(peer)
    })
    injector.injectConnection(socket)
  }
  /** gRPC does not show the HTTP/2 session it serves; Node tells of its streams. */
  const seen = (message: unknown): void => {
    // shape of this channel's messages, as Node documents it
    const { session } = (message as { readonly stream: { readonly session?: Http2Session } }).stream
    const connection = session?.socket && connections.get(peerOf(session.socket))
    if (connection && !connection.session && session.socket.localPort === connection.localPort) connection.session = session
  }

  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket)
    sockets.set(peer, socket)
    isStranger(socket)
    socket.on('error', (error) => log.debug({ err: messageOf(error), peer }, 'kds connection failed'))
    socket.once('close', () => {
      if (sockets.get(peer) === socket) sockets.delete(peer)
      isKnown(socket)
    })
    if (!tls) accept(socket, socket, undefined)
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    const raw = sockets.get(peerOf(socket))
    if (raw && socket.alpnProtocol === 'h2') accept(socket, raw, certificateOf(socket))
    else socket.destroy()
  })
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    log.debug({ err: messageOf(error), peer: peerOf(socket) }, 'kds tls handshake failed')
    socket.destroy()
  })

  return {
    listen: async () => {
      const port = await listen(server, { host: options.host, port: options.port, whom: 'zones', name: 'kds port', log })
      subscribe(streamChannel, seen)
      return port
    },
    connection: (peer) => connections.get(peer),
    onAuthorities: (listener) => void listeners.add(listener),
    close: async (drainMs) => {
      stopReloading()
      unsubscribe(streamChannel, seen)
      await closeDrained(server, { injector, sockets: () => sockets.values(), clock, drainMs })
      silence.stop()
    },
  }
}

const streamChannel = 'http2.server.stream.created'

function tlsServer({ server, clients }: ZonePortTls): TlsServer {
  return createTlsServer({
    ...secureContext({ server, ...(clients ? { clients } : {}) }),
    ALPNProtocols: ['h2'],
    handshakeTimeout: handshakeMs,
    noDelay: true,
    requestCert: clients !== undefined,
    // a certificate that cannot be verified is reported, and counts as none
    rejectUnauthorized: false,
  })
}

function secureContext({ server, clients }: ZonePortTls) {
  return {
    cert: server.current.certificatePem,
    key: server.current.privateKeyPem,
    minVersion: 'TLSv1.2',
    // a resumed session would carry a verdict of authorities that are gone
    secureOptions: constants.SSL_OP_NO_TICKET,
    ...(clients ? { ca: clients.current } : {}),
  } as const
}

function followFiles(tls: ZonePortTls, server: Server, listeners: ReadonlySet<() => void>): () => void {
  // made by `tlsServer` above whenever there is `tls`
  const replace = (): void => (server as TlsServer).setSecureContext(secureContext(tls))
  const stopServer = tls.server.onChange(replace)
  const stopClients = tls.clients?.onChange(() => {
    replace()
    for (const listener of listeners) listener()
  })
  return () => {
    stopServer()
    stopClients?.()
  }
}

function certificateOf(socket: TLSSocket): OpenConnection['certificate'] {
  const certificate = socket.getPeerX509Certificate()
  if (!certificate) return undefined
  return socket.authorized ? readClientCertificate(certificate) : { problem: String(socket.authorizationError) }
}

function ping(session: Http2Session | undefined, limitMs: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    if (!session || session.destroyed) return resolve(false)
    const timer = clock.after(limitMs, () => resolve(false))
    const done = (isAnswered: boolean): void => {
      timer.cancel()
      resolve(isAnswered)
    }
    if (!session.ping((error) => done(error === null))) done(false)
  })
}

function peerOf(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`
}
