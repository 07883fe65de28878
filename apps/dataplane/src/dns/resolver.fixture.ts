// A resolver for tests, on UDP and TCP of one port, that answers as each test says.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type Answer, decode, encode, type Packet } from 'dns-packet'
import { frameMessage, messageFramer } from './stream-framing.ts'
import type { Transport } from './upstream.ts'

export interface TestResolver extends AsyncDisposable {
  readonly port: number
  /** Queries as they arrived. */
  readonly asked: { readonly packet: Packet; readonly bytes: Buffer; readonly transport: Transport; readonly fromPort: number }[]
  /** What is sent back, in this order; nothing when empty. */
  answer: (query: Packet, bytes: Buffer, transport: Transport) => readonly Buffer[]
}

/** An answer to a query with these records. */
export function reply(
  query: Packet,
  answers: Answer[] = [],
  more: { readonly rcode?: number; readonly truncated?: boolean; readonly id?: number } = {},
): Buffer {
  const flags = 0x180 | (more.rcode ?? 0) | (more.truncated ? 0x200 : 0)
  return encode({ type: 'response', id: more.id ?? query.id ?? 0, flags, questions: query.questions ?? [], answers })
}

/** A resolver that knows one address for every name. */
export async function startResolver(address = '192.0.2.1'): Promise<TestResolver> {
  const tcp = createServer()
  const udp = createSocket('udp4')
  const sockets = new Set<Socket>()
  await listenOnBoth()
  const resolver: TestResolver = {
    port: udp.address().port,
    asked: [],
    answer: (query) => [reply(query, [{ type: 'A', name: query.questions?.[0]?.name ?? '', ttl: 7, data: address }])],
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all([new Promise<void>((done) => udp.close(() => done())), new Promise<void>((done) => tcp.close(() => done()))])
    },
  }
  const answers = (bytes: Buffer, transport: Transport, fromPort: number): readonly Buffer[] => {
    const packet = decode(bytes)
    resolver.asked.push({ packet, bytes, transport, fromPort })
    return resolver.answer(packet, bytes, transport)
  }
  udp.on('message', (bytes, from) => {
    for (const answer of answers(bytes, 'udp', from.port)) udp.send(answer, from.port, from.address)
  })
  tcp.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on(
      'data',
      messageFramer((bytes) => {
        for (const answer of answers(Buffer.from(bytes), 'tcp', socket.remotePort ?? 0)) socket.write(frameMessage(answer))
      }),
    )
  })
  return resolver

  /** A port that is free for UDP may be taken for TCP: then another one. */
  async function listenOnBoth(): Promise<void> {
    tcp.listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    // an address of a listening TCP server is always an object
    udp.bind((tcp.address() as { readonly port: number }).port, '127.0.0.1')
    await once(udp, 'listening')
  }
}

/** Sends one datagram and waits for the one that comes back. */
export async function askUdp(port: number, message: Buffer, address = '127.0.0.1'): Promise<Buffer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.send(message, port, address)
    const [answer] = (await once(socket, 'message')) as [Buffer]
    return answer
  } finally {
    socket.close()
  }
}
