// The one port proxies talk to: TLS, then HTTP/2 to gRPC and everything else to HTTP/1, told apart by ALPN. Connections made before there is
// anything to serve wait. Remembers how each connection ended, so that a proxy that left can be told from one that was lost.
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { type Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import {
  closeDrained,
  createSilenceWatch,
  createStrangers,
  listen,
  peerOf,
  type SilenceWatch,
  type StrangersOptions,
} from '@weft/foundation/net'
import type { Clock } from '@weft/foundation/time'
import type { ServerTls } from '@weft/foundation/tls'

/** How a connection stands: `closed` by the peer (or its kernel); `lost` when we gave it up or the network did; `open` otherwise. */
export type ConnectionEnd = 'open' | 'closed' | 'lost'

export interface TlsPort {
  /**
   * Resolves with the port once connections are taken. Until `serve` they get their handshake and wait: a proxy that is refused tries again only after
   * a pause that doubles each time. Errors: process/port-taken, config/invalid.
   */
  listen(): Promise<number>
  /** Serves the connections that wait and all that come. */
  serve(): void
  /** How the connection of a peer (`address:port`, as gRPC names it) ended; `open` for one that is not known. */
  connectionEnd(peer: string): ConnectionEnd
  /** A proxy was admitted on the connection of this peer: it may stay. */
  admitted(peer: string): void
  /** Takes no new connections, says GOAWAY to those there are, and drops what is left after `drainMs`. Resolves when all are closed; may be called again. */
  close(drainMs: number): Promise<void>
}

export interface TlsPortOptions {
  readonly host: string
  readonly port: number
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly tls: Pick<ServerTls, 'current' | 'onChange'>
  readonly grpc: GrpcServer
  readonly http: RequestListener
  readonly clock: Clock
  readonly log: Logger
  /** Bounds of connections without an admitted proxy: at most so many (8192), each for so long (60 s). */
  readonly strangers?: Partial<StrangersOptions>
  /** Finds half-open connections; its own by default. */
  readonly silence?: SilenceWatch
}

/**
 * gRPC asks every peer for an answer this often. Whether it came is judged by `silenceMs`, which leaves out time in which this process stood still;
 * gRPC's own limit does not, and is the fallback.
 */
export const keepaliveOptions = { 'grpc.keepalive_time_ms': 5000, 'grpc.keepalive_timeout_ms': 60_000 } as const
/** A peer that is silent for so long is half-open: with the second between two looks it is noticed within ten. */
export const silenceMs = 8500

/** In the order of preference. */
const served = ['h2', 'http/1.1'] as const

/** How long a peer may take for the header of an HTTP request. */
const patienceMs = 5000
/**
 * How long a connection may stay without an admitted proxy, its TLS handshake included. A crowd of proxies that come back at once waits for its
 * handshakes, and one that is cut off while it waits comes back and costs another.
 */
const strangerMs = 60_000
/** So many connections without an admitted proxy may be open. */
const strangerLimit = 8192
/** A whole zone may come back at once, to a process that has no time for it yet. */
const backlog = 4096
/** Of so many ended connections the end is remembered; their streams end within moments. */
const remembered = 2048

export function createTlsPort(options: TlsPortOptions): TlsPort {
  const { log, tls } = options
  const injector = options.grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const http = createHttpServer({ headersTimeout: patienceMs, requestTimeout: 10_000, keepAliveTimeout: patienceMs }, options.http)
  const connections = new Map<string, ConnectionEnd>()
  const ended: string[] = []
  const sockets = new Set<Socket>()
  /** Undefined once they are served. */
  let waiting: TLSSocket[] | undefined = []
  let closing: Promise<void> | undefined
  const silence = options.silence ?? createSilenceWatch({ clock: options.clock, limitMs: silenceMs })
  const strangers = createStrangers({ clock: options.clock, limit: strangerLimit, patienceMs: strangerMs, ...options.strangers })
  const server = createTlsServer({
    cert: tls.current.certificatePem,
    key: tls.current.privateKeyPem,
    minVersion: options.minVersion,
    // a list of protocols would be copied for each connection, and each copy keeps a whole slab of small buffers for as long as the connection lives
    ALPNCallback: ({ protocols }) => served.find((protocol) => protocols.includes(protocol)),
    handshakeTimeout: strangerMs,
    noDelay: true,
  })
  const stopReloading = tls.onChange((next) =>
    server.setSecureContext({ cert: next.certificatePem, key: next.privateKeyPem, minVersion: options.minVersion }),
  )

  const follow = (socket: TLSSocket): void => {
    const peer = peerOf(socket)
    const end = (how: ConnectionEnd): void => {
      if (connections.get(peer) === 'open') connections.set(peer, how)
    }
    connections.set(peer, 'open')
    const unwatch = silence.watch(socket, () => {
      log.debug({ peer }, 'a connection is silent')
      socket.destroy()
    })
    // order of events as observed: the peer's end or reset comes before the streams of the connection fail, our own giving up after
    socket.once('end', () => end('closed'))
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'closed' : 'lost'))
    socket.once('finish', () => end('lost'))
    socket.once('close', () => {
      unwatch()
      end('lost')
      ended.push(peer)
      const oldest = ended.length > remembered ? ended.shift() : undefined
      if (oldest !== undefined && connections.get(oldest) !== 'open') connections.delete(oldest)
    })
  }

  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    strangers.arrived(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const take = (socket: TLSSocket): void => {
    if (socket.alpnProtocol === 'h2') {
      follow(socket)
      injector.injectConnection(socket)
    } else http.emit('connection', socket)
  }
  const hold = (socket: TLSSocket): void => {
    socket.on('error', ignore)
    waiting?.push(socket)
  }
  server.on('secureConnection', (socket) => (waiting ? hold : take)(socket))
  server.on('tlsClientError', (error, socket) => {
    log.debug({ err: messageOf(error), peer: socket.remoteAddress }, 'tls handshake failed')
    socket.destroy()
  })
  http.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    else socket.destroy()
  })

  const close = async (drainMs: number): Promise<void> => {
    stopReloading()
    // nobody was told anything yet
    if (waiting) for (const socket of sockets) socket.destroy()
    http.closeIdleConnections()
    await closeDrained(server, { injector, sockets: () => sockets, clock: options.clock, drainMs })
    silence.stop()
  }

  return {
    listen: () => {
      const { host, port } = options
      return listen(server, { host, port, backlog, whom: 'proxies', name: 'dataplane server', log })
    },
    serve: () => {
      const arrived = waiting ?? []
      waiting = undefined
      for (const socket of arrived) {
        socket.off('error', ignore)
        if (!socket.destroyed) take(socket)
      }
    },
    connectionEnd: (peer) => connections.get(peer) ?? 'open',
    admitted: (peer) => strangers.known(peer),
    close: (drainMs) => (closing ??= close(drainMs)),
  }
}

function ignore(): void {}
