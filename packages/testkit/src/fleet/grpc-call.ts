// One bidirectional gRPC call over a TLS connection of its own, as an Envoy opens towards its zone. Every attempt is a new connection:
// a library's channel would add a back-off of its own to what is measured.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2'
import { createSecureContext, type SecureContext } from 'node:tls'

export interface GrpcCallOptions {
  /** `host:port`. The certificate is not verified. */
  readonly address: string
  /** `/package.Service/Method`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly onMessage: (message: Buffer) => void
  /** Called once when the call ends in any way but by `close`. */
  readonly onEnd: (reason: string) => void
}

export interface GrpcCall {
  /** Sends one message; after the end it is dropped. */
  send(message: Uint8Array): void
  /** Cancels the call and ends its connection. */
  close(): void
  /** True once the connection stands, handshakes included. */
  isConnected(): boolean
}

const windowBytes = 1 << 20
const maxMessageBytes = 64 << 20

/**
 * What all connections of a process set out with. None remembers a session, so each makes a full handshake. Nothing is verified, so no
 * authority is loaded; the curves are those Envoy asks for (envoy.extensions.transport_sockets.tls.v3.TlsParameters.ecdh_curves).
 */
let secureContext: SecureContext | undefined

/** Opens a call. Messages may be sent at once; they leave when the connection stands. */
export function openGrpcCall(options: GrpcCallOptions): GrpcCall {
  let isOver = false
  let isConnected = false
  let reason = ''
  const session = connect(`https://${options.address}`, {
    rejectUnauthorized: false,
    secureContext: (secureContext ??= createSecureContext({ ca: [], ecdhCurve: 'X25519:P-256' })),
    settings: { enablePush: false, initialWindowSize: windowBytes },
  })
  const stream = session.request({
    ':method': 'POST',
    ':path': options.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...options.headers,
  })
  const over = (fallback: string): void => {
    if (isOver) return
    isOver = true
    session.destroy()
    options.onEnd(reason || fallback)
  }
  let unsent: Buffer[] = []
  const flush = (): void => {
    const frames = unsent
    unsent = []
    const [first] = frames
    if (first && !isOver && stream.writable) stream.write(frames.length === 1 ? first : Buffer.concat(frames))
  }
  const reader = messageReader((message) => {
    if (!isOver) options.onMessage(message)
  })
  session.once('connect', () => {
    // told a turn after it was made, and the server may have ended it by then
    if (session.destroyed) return
    isConnected = true
    session.setLocalWindowSize(windowBytes)
  })
  session.on('error', (error) => (reason ||= error.message))
  session.on('close', () => over('connection closed'))
  stream.on('response', (headers) => (reason ||= statusOf(headers)))
  stream.on('trailers', (headers) => (reason ||= statusOf(headers)))
  stream.on('data', (chunk: Buffer) => {
    try {
      reader(chunk)
    } catch (error) {
      reason ||= error instanceof Error ? error.message : String(error)
      over('unreadable stream')
    }
  })
  stream.on('error', (error) => (reason ||= error.message))
  // a server ends a call by ending its side; the stream as a whole would stay open for as long as this side does
  stream.on('end', () => over('stream ended'))
  stream.on('close', () => over('stream closed'))
  return {
    // what answers one read leaves as one write, as Envoy fills one buffer in each turn of its event loop
    send: (message) => {
      if (unsent.push(framed(message)) === 1) process.nextTick(flush)
    },
    close: () => {
      if (isOver) return
      isOver = true
      end(session, stream)
    },
    isConnected: () => isConnected,
  }
}

function end(session: ClientHttp2Session, stream: ClientHttp2Stream): void {
  if (session.connecting) session.destroy()
  else {
    stream.close(constants.NGHTTP2_CANCEL)
    session.close()
  }
}

/** One message with its length before it, as gRPC sends it. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length)
  frame.writeUInt8(0, 0)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, 5)
  return frame
}

/** Cuts a stream of bytes into gRPC messages. Throws on what this client did not ask for: compression, or a message without bounds. */
export function messageReader(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = []
  let size = 0
  let needed = 5
  return (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    while (size >= needed) {
      let bytes = chunks.length === 1 ? (chunks[0] ?? chunk) : Buffer.concat(chunks)
      if (needed === 5) {
        if (bytes[0] !== 0) throw new Error('compressed gRPC message')
        needed = 5 + bytes.readUInt32BE(1)
        if (needed > maxMessageBytes) throw new Error(`gRPC message of ${needed} bytes`)
      }
      if (bytes.length >= needed) {
        const message = bytes.subarray(5, needed)
        bytes = bytes.subarray(needed)
        needed = 5
        chunks = bytes.length > 0 ? [bytes] : []
        size = bytes.length
        onMessage(message)
      } else {
        chunks = [bytes]
      }
    }
  }
}

function statusOf(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): string {
  const status = headers['grpc-status']
  if (status !== undefined) return `grpc status ${[status].flat().join()}: ${[headers['grpc-message'] ?? ''].flat().join()}`
  return headers[':status'] === undefined || headers[':status'] === 200 ? '' : `HTTP status ${headers[':status']}`
}
