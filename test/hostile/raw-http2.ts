// HTTP/2 frames by hand, for what no client library would send.
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  window: 8,
  continuation: 9,
} as const

export interface FrameParts {
  readonly type: number
  readonly flags?: number
  readonly stream?: number
  readonly payload?: Uint8Array
}

/** One frame; nothing is checked. */
export function frame({ type, flags = 0, stream = 0, payload = new Uint8Array(0) }: FrameParts): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream >>> 0, 5)
  return Buffer.concat([head, payload])
}

/** Header block of a gRPC request, in literals without indexing. */
export function requestHeaders(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
  const literal = (name: string, value: string): Buffer => Buffer.concat([Buffer.from([0]), text(name), text(value)])
  return Buffer.concat([
    // :method POST, :scheme https, :path
    Buffer.from([0x83, 0x87, 0x04]),
    text(path),
    literal(':authority', 'localhost'),
    literal('content-type', 'application/grpc'),
    literal('te', 'trailers'),
    ...Object.entries(more).map(([name, value]) => literal(name, value)),
  ])
}

/** A TLS connection that speaks HTTP/2 as far as the handshake goes; errors are ignored, its end is a promise. */
export async function dial(
  port: number,
  options: ConnectionOptions = {},
): Promise<{ readonly socket: TLSSocket; readonly closed: Promise<void> }> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], ...options })
  socket.on('error', () => {})
  socket.resume()
  const closed = new Promise<void>((done) => void socket.once('close', () => done()))
  await Promise.race([new Promise((done) => socket.once('secureConnect', done)), closed])
  return { socket, closed }
}
