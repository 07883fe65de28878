// What zones find where a simulated zone says its ingress is. Nothing else listens there, and control planes that cannot reach an ingress look
// for witnesses all the time: that is not the quiet federation whose costs are measured.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { ingressProbe } from '../../packages/resources/src/sni.ts'

/** A port of the loopback interface that answers probes as an ingress does. */
export interface AnsweringIngress {
  readonly port: number
  close(): void
}

/** Listens on a port that the kernel chooses. A probe is answered when it has said what it wants, and whatever else comes is closed. */
export async function answeringIngress(): Promise<AnsweringIngress> {
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(ingressProbe.answer))
    // who probes closes first and does not wait
    socket.once('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // listening on an address and a port, not on a path
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}
