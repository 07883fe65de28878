// The sockets that queries come in by: UDP and TCP on one port of both loopback addresses. Each connection is bounded in time and in queries under way.
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { headerBytes } from './message.ts'
import { frameMessage, messageFramer } from './stream-framing.ts'
import type { Transport } from './upstream.ts'

export interface ListenOptions {
  /** 0 takes one that is free for UDP and TCP. */
  readonly port: number
  readonly clock: Clock
  readonly log: Logger
  /** The answer to a message; undefined leaves it without one. Never rejects for what the message holds. */
  onMessage(bytes: Buffer, transport: Transport): Promise<Buffer | undefined>
}

export interface DnsSockets {
  readonly port: number
  close(): Promise<void>
}

const ipv4 = '127.0.0.1'
const ipv6 = '::1'
/** A port that the kernel gave for UDP may be taken for TCP. */
const portTries = 16
const maxConnections = 256
const idleMs = 10_000
/** Further queries of a connection are read when some of these are answered. */
const maxUnanswered = 32
/** A connection whose client does not read is ended. */
const maxUnreadBytes = 1024 * 1024

/** Listens on 127.0.0.1 and, where the host has it, ::1. Throws process/port-taken. */
export async function listenForQueries(options: ListenOptions): Promise<DnsSockets> {
  const first = await listenOn(ipv4, options)
  const second = await listenOn(ipv6, { ...options, port: first.port }).catch((error: unknown) => {
    // no IPv6 here, or its port is another's: IPv4 is what redirection needs at least
    options.log.debug({ component: 'dp.dns', err: messageOf(error) }, 'no DNS on the IPv6 loopback')
    return undefined
  })
  return {
    port: first.port,
    close: async () => {
      await Promise.all([first.close(), second?.close()])
    },
  }
}

async function listenOn(address: string, options: ListenOptions): Promise<DnsSockets> {
  for (let tried = 1; ; tried++) {
    const udp = createSocket({ type: address === ipv6 ? 'udp6' : 'udp4', ...(address === ipv6 ? { ipv6Only: true } : {}) })
    try {
      udp.bind(options.port, address)
      await once(udp, 'listening')
      const { port } = udp.address()
      const tcp = await listenTcp(address, port, options)
      serveUdp(udp, options)
      return { port, close: () => closeBoth(udp, tcp) }
    } catch (error) {
      closeQuietly(udp)
      if (options.port === 0 && tried < portTries) continue
      throw isTaken(error)
        ? new AppError(
            'process/port-taken',
            `DNS port ${options.port} is taken; choose another with --dns-proxy-port, or --dns-enabled=false`,
          )
        : error
    }
  }
}

function serveUdp(udp: UdpSocket, { onMessage, log }: ListenOptions): void {
  // what could not be sent is lost, as any datagram may be
  udp.on('error', (error) => log.debug({ component: 'dp.dns', err: error.message }, 'datagram failed'))
  udp.on('message', (bytes, { address, port }) => {
    void onMessage(bytes, 'udp').then((answer) => {
      if (answer !== undefined) sendQuietly(udp, { answer, address, port })
    })
  })
}

/** A socket that closed meanwhile throws at once. */
function sendQuietly(udp: UdpSocket, to: { readonly answer: Buffer; readonly address: string; readonly port: number }): void {
  try {
    udp.send(to.answer, to.port, to.address, () => {})
  } catch {
    // closed: nobody waits for the answer
  }
}

interface TcpSide {
  readonly server: Server
  readonly connections: ReadonlySet<Socket>
}

async function listenTcp(address: string, port: number, options: ListenOptions): Promise<TcpSide> {
  const connections = new Set<Socket>()
  // a client may close its side after its last query and still wait for answers
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    serveConnection(socket, options)
  })
  server.maxConnections = maxConnections
  server.listen({ port, host: address, ipv6Only: true })
  await once(server, 'listening')
  return { server, connections }
}

function serveConnection(socket: Socket, { onMessage, clock }: ListenOptions): void {
  let unanswered = 0
  let hasAsked = false
  let timer: Timer | undefined
  const isIdle = (): void => {
    timer?.cancel()
    timer = clock.after(idleMs, () => socket.destroy())
  }
  const answer = (message: Buffer): void => {
    if (message.length < headerBytes) return void socket.destroy()
    unanswered++
    if (unanswered >= maxUnanswered) socket.pause()
    void onMessage(message, 'tcp').then((bytes) => {
      unanswered--
      if (socket.destroyed) return
      if (bytes !== undefined) socket.write(frameMessage(bytes))
      if (socket.writableLength > maxUnreadBytes) return void socket.destroy()
      if (unanswered === 0 && hasAsked) return void socket.end()
      if (unanswered < maxUnanswered) socket.resume()
      isIdle()
    })
  }
  const read = messageFramer((message) => {
    if (!socket.destroyed) answer(Buffer.from(message))
  })
  socket.on('data', (chunk: Buffer) => {
    isIdle()
    read(chunk)
  })
  socket.on('end', () => {
    hasAsked = true
    if (unanswered === 0) socket.end()
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => timer?.cancel())
  isIdle()
}

async function closeBoth(udp: UdpSocket, { server, connections }: TcpSide): Promise<void> {
  for (const connection of connections) connection.destroy()
  await Promise.all([new Promise<void>((done) => server.close(() => done())), new Promise<void>((done) => udp.close(() => done()))])
}

function closeQuietly(udp: UdpSocket): void {
  try {
    udp.close()
  } catch {
    // never bound
  }
}

function isTaken(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'EADDRINUSE' || code === 'EACCES'
}
