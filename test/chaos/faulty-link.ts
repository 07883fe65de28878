// A TCP connection's way through a bad network: whatever dials the link's port reaches the target through it. Nothing that flows is ever
// changed or lost, because TCP would send it again; a partition holds it back until the link heals.
import { createServer, connect, type Server, type Socket } from 'node:net'

/** `up` is from who dials to the target. */
export type Direction = 'up' | 'down'

export interface FaultyLink extends AsyncDisposable {
  readonly port: number
  /** Connections that stand. */
  readonly connections: number
  /** Holds what flows in these directions, ends of connections too. New connections hang. */
  partition(directions?: readonly Direction[]): void
  /** Everything arrives this much later. */
  delay(ms: number): void
  /** At most this many bytes a second, each way. */
  slow(bytesPerSecond: number): void
  /** Ends every connection with RST at both ends. */
  reset(): void
  /** Ends every connection with RST towards who dialled; the target hears nothing of it before `heal`. */
  halfOpen(): void
  /** A good network again. */
  heal(): void
}

interface Weather {
  held: ReadonlySet<Direction>
  delayMs: number
  bytesPerSecond: number
}

interface Pipe {
  /** Sends on what may go now. */
  flush(): void
}

interface Connection {
  readonly near: Socket
  readonly far: Socket
  readonly pipes: readonly Pipe[]
  /** One end broke while the other could not hear of it. */
  broken: boolean
}

const bufferBytes = 256 * 1024

/** Listens on a port of its own on loopback. */
export async function faultyLink(targetPort: number): Promise<FaultyLink> {
  const weather: Weather = { held: new Set(), delayMs: 0, bytesPerSecond: Infinity }
  const connections = new Set<Connection>()
  /** Ends at the target whose other end was reset. */
  const orphans = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const connection: Connection = {
      near,
      far,
      pipes: [pipe(near, far, { direction: 'up', weather }), pipe(far, near, { direction: 'down', weather })],
      broken: false,
    }
    connections.add(connection)
    for (const [socket, other, direction] of [
      [near, far, 'up'],
      [far, near, 'down'],
    ] as const) {
      socket.on('error', () => {})
      socket.on('close', (hadError) => {
        if (!hadError && !other.destroyed && socket.readableEnded) return
        if (weather.held.has(direction)) connection.broken = true
        else {
          sever(other)
          connections.delete(connection)
        }
      })
    }
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const all = (act: (connection: Connection) => void): void => {
    for (const connection of connections) act(connection)
  }
  const flush = (): void => all(({ pipes }) => pipes.forEach((each) => each.flush()))
  const reset = (): void =>
    all((connection) => {
      connections.delete(connection)
      sever(connection.near)
      sever(connection.far)
    })
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get connections() {
      return connections.size
    },
    partition: (directions = ['up', 'down']) => void (weather.held = new Set(directions)),
    delay: (ms) => void (weather.delayMs = ms),
    slow: (bytesPerSecond) => void (weather.bytesPerSecond = bytesPerSecond),
    reset,
    halfOpen: () =>
      all((connection) => {
        connections.delete(connection)
        // neither end tells the other
        for (const socket of [connection.near, connection.far]) socket.removeAllListeners('close')
        sever(connection.near)
        connection.far.pause()
        orphans.add(connection.far)
      }),
    heal: () => {
      Object.assign(weather, { held: new Set(), delayMs: 0, bytesPerSecond: Infinity } satisfies Weather)
      for (const socket of orphans) sever(socket)
      orphans.clear()
      all((connection) => {
        if (!connection.broken) return
        connections.delete(connection)
        sever(connection.near)
        sever(connection.far)
      })
      flush()
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of orphans) socket.destroy()
      all(({ near, far }) => {
        near.destroy()
        far.destroy()
      })
      await new Promise((done) => server.close(done))
    },
  }
}

/** Ends a socket with RST. Nobody is told of one that is still connecting, and one that is shutting down cannot be reset any more. */
function sever(socket: Socket): void {
  if (socket.connecting || socket.writableEnded) socket.destroy()
  else if (!socket.destroyed) socket.resetAndDestroy()
}

/** One direction of a connection. */
function pipe(from: Socket, to: Socket, { direction, weather }: { readonly direction: Direction; readonly weather: Weather }): Pipe {
  /** `undefined` is the end of what comes. */
  const queue: { readonly at: number; readonly bytes: Buffer | undefined }[] = []
  let queuedBytes = 0
  let timer: NodeJS.Timeout | undefined
  let isFull = false
  const later = (ms: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      flush()
    }, ms)
  }
  const flush = (): void => {
    for (;;) {
      const next = queue[0]
      if (!next || isFull || timer || weather.held.has(direction) || to.destroyed) break
      const wait = next.at + weather.delayMs - performance.now()
      if (wait > 0) return later(wait)
      queue.shift()
      if (!next.bytes) {
        to.end()
        continue
      }
      const { bytes } = next
      queuedBytes -= bytes.length
      const share = Number.isFinite(weather.bytesPerSecond) ? Math.max(1, Math.ceil(weather.bytesPerSecond / 20)) : bytes.length
      if (bytes.length > share) {
        queue.unshift({ at: next.at, bytes: bytes.subarray(share) })
        queuedBytes += bytes.length - share
      }
      const sent = Math.min(share, bytes.length)
      isFull = !to.write(bytes.subarray(0, sent))
      if (Number.isFinite(weather.bytesPerSecond)) later((sent / weather.bytesPerSecond) * 1000)
    }
    if (queuedBytes < bufferBytes) from.resume()
  }
  to.on('drain', () => {
    isFull = false
    flush()
  })
  from.on('data', (bytes: Buffer) => {
    queue.push({ at: performance.now(), bytes })
    queuedBytes += bytes.length
    if (queuedBytes >= bufferBytes) from.pause()
    flush()
  })
  from.on('end', () => {
    queue.push({ at: performance.now(), bytes: undefined })
    flush()
  })
  from.on('close', () => clearTimeout(timer))
  return { flush }
}
