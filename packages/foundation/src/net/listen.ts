// Opening a TCP port with errors that tell an operator what to do.
import type { AddressInfo, Server } from 'node:net'
import type { Logger } from '../log/index.ts'
import { AppError, messageOf } from '../errors/index.ts'

export interface ListenOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Who is expected there: ends the message of an error. */
  readonly whom: string
  /** Name of the port in the log, for errors that come later. */
  readonly name: string
  readonly log: Logger
  /** So many connections may wait to be taken; the system's limit applies, too. Default: that of Node, 511. */
  readonly backlog?: number
}

/** Resolves with the port once connections are taken. Errors: process/port-taken, config/invalid. */
export function listen(server: Server, { host, port, whom, name, log, backlog }: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new AppError(
          error.code === 'EADDRINUSE' ? 'process/port-taken' : 'config/invalid',
          `cannot listen on ${host}:${port} for ${whom}: ${messageOf(error)}`,
          { cause: error },
        ),
      ),
    )
    server.listen({ host, port, ...(backlog === undefined ? {} : { backlog }) }, () => {
      server.removeAllListeners('error')
      server.on('error', (error) => log.error({ err: messageOf(error) }, `${name} failed`))
      // a TCP server has an address with a port
      resolve((server.address() as AddressInfo).port)
    })
  })
}
