// A balancer of TCP connections in front of replicas, as operators put there: the first target that takes the connection gets it.
import { connect, createServer, type Socket } from 'node:net'
import { once } from 'node:events'

export interface Balancer extends AsyncDisposable {
  /** `host:port` that clients connect to. */
  readonly address: string
  /** Order in which targets are tried from now on; open connections stay. */
  targets: readonly number[]
}

/** Relays to ports of loopback. */
export async function createBalancer(targets: readonly number[]): Promise<Balancer> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => {}).once('close', () => void sockets.delete(socket))
  }
  const relay = (client: Socket, rest: readonly number[]): void => {
    const [port, ...others] = rest
    if (port === undefined) {
      client.destroy()
      return
    }
    const upstream = keep(connect({ port, host: '127.0.0.1' }))
    let isOpen = false
    upstream.once('connect', () => {
      isOpen = true
      client.pipe(upstream).pipe(client)
    })
    upstream.once('close', () => {
      if (isOpen) client.destroy()
      else relay(client, others)
    })
    client.once('close', () => void (isOpen && upstream.destroy()))
  }
  const server = createServer({ pauseOnConnect: true }, (client) => relay(keep(client), balancer.targets))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = server.address()
  if (at === null || typeof at === 'string') throw new Error('no port')
  const balancer: Balancer = {
    address: `127.0.0.1:${at.port}`,
    targets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return balancer
}
