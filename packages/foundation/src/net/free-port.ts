// Ports for servers that tests start: children that are told a port, and servers that start again on theirs.
import { createServer } from 'node:net'

const lowest = 12_000
const count = 19_000

/**
 * A port of loopback that is free now. It is chosen at random below those that the kernel gives to connections and to servers that ask for any
 * (32,768 and up on Linux): nobody gets it by chance before it is listened on, or while its server restarts.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * count)
    if (await isPortFree(port)) return port
  }
}

/** Whether a server can listen on this port of loopback now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
