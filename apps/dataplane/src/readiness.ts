// GET /ready for orchestrators: what Envoy's admin says, 503 while there is no Envoy yet, until names of the mesh resolve,
// and once the proxy terminates.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AppError } from '@weft/foundation/errors'
import { adminRequest } from './envoy-process.ts'

export interface Readiness {
  readonly port: number
  /** From now on the answer is 503 TERMINATING. */
  terminating(): void
  close(): Promise<void>
}

/** Listens on loopback; port 0 takes a free one. While `isHeld` says so the answer is 503 whatever Envoy says. */
export async function startReadiness(port: number, adminSocket: string, isHeld: () => boolean = () => false): Promise<Readiness> {
  let isTerminating = false
  const server = createServer((request, response) => {
    const end = (status: number, text: string): void => void response.writeHead(status, { 'content-type': 'text/plain' }).end(text)
    if (request.url !== '/ready') return end(404, 'not found\n')
    if (isTerminating) return end(503, 'TERMINATING\n')
    if (isHeld()) return end(503, 'NOT READY\n')
    adminRequest(adminSocket, 'GET', '/ready').then(
      (answer) => end(answer.status, answer.text),
      () => end(503, 'NOT READY\n'),
    )
  })
  await new Promise<void>((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      fail(
        error.code === 'EADDRINUSE'
          ? new AppError('process/port-taken', `readiness port ${port} is taken; choose another with --readiness-port`)
          : error,
      ),
    )
    server.listen(port, '127.0.0.1', done)
  })
  // an address of a listening TCP server is always an object
  const address = server.address() as AddressInfo
  return {
    port: address.port,
    terminating: () => {
      isTerminating = true
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
