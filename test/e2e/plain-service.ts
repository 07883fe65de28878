// A service that speaks HTTP/2 without TLS, as a mesh hop does, so that it can stand in the place of an Envoy.
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'

/** Answers every request with its name. */
export async function startPlainService(name: string): Promise<AsyncDisposable & { readonly port: number }> {
  const sessions = new Set<import('node:http2').ServerHttp2Session>()
  const server = createServer((_, response) => response.end(`${name}\n`))
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    // an address of a listening TCP server is always an object
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        for (const session of sessions) session.destroy()
        server.close(() => done())
      }),
  }
}
