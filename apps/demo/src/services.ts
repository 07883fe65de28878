// The demo's own services: each answers with its name and the identity the mesh saw.
import { createServer, type Server } from 'node:http'

export interface Service {
  close(): Promise<void>
}

/** An HTTP service on loopback that says who it is and who called (x-forwarded-client-cert). */
export async function startService(name: string, port: number): Promise<Service> {
  const server: Server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain')
    response.end(`${name}\nx-forwarded-client-cert: ${String(request.headers['x-forwarded-client-cert'] ?? '(none)')}\n`)
  })
  await new Promise<void>((done, fail) => {
    server.once('error', fail)
    server.listen(port, '127.0.0.1', done)
  })
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
