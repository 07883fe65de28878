// A relay in front of a PostgreSQL server for tests of what goes wrong on the way.
import { createServer, connect, type Socket } from 'node:net'
import { once } from 'node:events'

export interface TcpRelay extends AsyncDisposable {
  readonly port: number
  /** Where new connections go. */
  target: number
  /** False: bytes of the server stay away, connections stay open. */
  isFlowing: boolean
  /** False: notifications are taken out, as a pooler that shares sessions does. */
  passesNotifications: boolean
  /** Ends every connection. */
  cut(): void
}

/** Relays to a port of loopback. Connections in clear only. */
export async function createTcpRelay(target: number): Promise<TcpRelay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const server = createServer((client) => {
    const upstream = connect({ port: relay.target, host: '127.0.0.1' })
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    // small messages go on at once: without, each would wait for the acknowledgement of the one before
    for (const socket of pair) socket.setNoDelay(true).on('error', end).on('close', end)
    client.on('data', (bytes) => void upstream.write(bytes))
    const messages = splitMessages()
    upstream.on('data', (bytes: Buffer) => {
      for (const message of messages(bytes)) {
        const isNotification = message[0] === 0x41
        if (relay.isFlowing && (relay.passesNotifications || !isNotification)) client.write(message)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const cut = (): void => {
    for (const [client, upstream] of pairs) {
      client.destroy()
      upstream.destroy()
    }
  }
  const relay: TcpRelay = {
    port: address.port,
    target,
    isFlowing: true,
    passesNotifications: true,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
  return relay
}

/** Cuts a stream of the server into its messages: a type byte, a length of four bytes that counts itself, the content. */
function splitMessages(): (bytes: Uint8Array) => readonly Uint8Array[] {
  let rest = Buffer.alloc(0)
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    const whole: Uint8Array[] = []
    while (rest.length >= 5) {
      const length = 1 + rest.readUInt32BE(1)
      if (rest.length < length) break
      whole.push(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
    return whole
  }
}
