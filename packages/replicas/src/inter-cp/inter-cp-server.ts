// The inter-CP port: questions of other replicas over mutual TLS. Whoever has no certificate of the replicas' own authority gets nothing,
// not even HTTP/2.
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, status } from '@grpc/grpc-js'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { closeDrained, createSilenceWatch, createStrangers, listen, peerOf } from '@weft/foundation/net'
import type { Clock } from '@weft/foundation/time'
import { codec, serviceDefinition } from '@weft/proto'
import { answerOf, bytesOf, maxBodyBytes } from '../answer.ts'
import type { RequestHandler } from '../contract.ts'
import type { ReplicaCertificates, ReplicaTls } from './inter-cp-tls.ts'

export interface InterCpServerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly tls: ReplicaTls
  readonly clock: Clock
  readonly log: Logger
  handler(topic: string): RequestHandler | undefined
}

export interface InterCpServer {
  /** Resolves with the port once connections are taken. Errors: process/port-taken, config/invalid. */
  listen(): Promise<number>
  /** Takes no new connections and drops what is left after `drainMs`. */
  close(drainMs: number): Promise<void>
}

/** How long a peer may take for its TLS handshake. */
const handshakeMs = 5_000
/** Connections under way that have not shown a certificate yet. */
const strangerLimit = 128
/** Questions of one replica under way at once; more of them wait at its end. */
const streamLimit = 100
/** A replica that is silent for so long is gone: with the second between two looks it is noticed within ten. */
const silenceMs = 8_500
/**
 * gRPC options of both ends: room for the largest body and what is around it. Each asks the other for an answer every five seconds. The limit of
 * gRPC counts time in which this process stood still too, so it is the fallback: the port judges by `silenceMs`, who asks by its own limits.
 */
export const interCpChannel = {
  'grpc.max_receive_message_length': maxBodyBytes + 65_536,
  'grpc.max_send_message_length': maxBodyBytes + 65_536,
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 60_000,
} as const

const service = serviceDefinition.bind(undefined, 'weft.replica.v1.ReplicaService')

/** Makes the port; nothing listens before `listen`. */
export function createInterCpServer(options: InterCpServerOptions): InterCpServer {
  const { tls, log } = options
  const grpc = new Server({ ...interCpChannel, 'grpc.max_concurrent_streams': streamLimit, 'grpc.enable_channelz': 0 })
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const strangers = createStrangers({ clock: options.clock, limit: strangerLimit, patienceMs: handshakeMs })
  const silence = createSilenceWatch({ clock: options.clock, limitMs: silenceMs })
  const sockets = new Set<Socket>()
  const server = createTlsServer({
    ...contextOf(tls.current),
    ALPNProtocols: ['h2'],
    handshakeTimeout: handshakeMs,
    noDelay: true,
    requestCert: true,
    rejectUnauthorized: true,
  })
  const stopFollowing = tls.onChange((next) => {
    server.setSecureContext(contextOf(next))
    // who came in by the old authority has to show itself again
    for (const socket of sockets) socket.destroy()
  })

  grpc.addService(service(), {
    Ask: (call: ServerUnaryCall<Buffer, Uint8Array>, respond: sendUnaryData<Uint8Array>): void => {
      const from = instanceOf(call)
      const question = read(call.request)
      if (from === '' || !question) {
        respond({ code: status.INVALID_ARGUMENT, details: 'not a question of a replica' })
        return
      }
      void answerOf(options.handler(question.topic), question.body, from).then((answer) => respond(null, answer))
    },
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    strangers.arrived(socket)
    socket.on('error', (error) => log.debug({ err: messageOf(error), peer: peerOf(socket) }, 'inter-cp connection failed'))
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    if (!socket.authorized || socket.alpnProtocol !== 'h2') {
      socket.destroy()
      return
    }
    strangers.known(peerOf(socket))
    const unwatch = silence.watch(socket, () => {
      log.info({ peer: peerOf(socket) }, 'inter-cp connection is silent')
      socket.destroy()
    })
    socket.once('close', unwatch)
    injector.injectConnection(socket)
  })
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    log.debug({ err: messageOf(error), peer: peerOf(socket) }, 'inter-cp tls handshake failed')
    socket.destroy()
  })

  return {
    listen: () => listen(server, { host: options.host, port: options.port, whom: 'other replicas', name: 'inter-cp port', log }),
    close: async (drainMs) => {
      stopFollowing()
      await closeDrained(server, { injector, sockets: () => sockets, clock: options.clock, drainMs })
      silence.stop()
      grpc.forceShutdown()
    },
  }
}

function contextOf({ caPem, server }: ReplicaCertificates) {
  return {
    ca: caPem,
    cert: server.certificatePem,
    key: server.privateKeyPem,
    minVersion: 'TLSv1.3',
    // a resumed session would carry a verdict of an authority that is gone
    secureOptions: constants.SSL_OP_NO_TICKET,
  } as const
}

/** The instance that the client's certificate names. */
function instanceOf(call: ServerUnaryCall<Buffer, Uint8Array>): string {
  const names = call.getAuthContext().sslPeerCertificate?.subjectaltname ?? ''
  return /^DNS:([A-Za-z0-9._-]+)$/.exec(names)?.[1] ?? ''
}

function read(bytes: Buffer): { readonly topic: string; readonly body: Uint8Array } | undefined {
  try {
    const { topic = '', body } = codec('weft.replica.v1.Question').decode(bytes)
    return { topic, body: bytesOf(body) }
  } catch {
    return undefined
  }
}
