// The way to other replicas that needs nothing but them: straight to their inter-CP ports.
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import type { Member, RequestPath } from '../contract.ts'
import { createTopics } from '../topics.ts'
import { createInterCpClient } from './inter-cp-client.ts'
import { createInterCpServer } from './inter-cp-server.ts'
import type { ReplicaTls } from './inter-cp-tls.ts'

export interface InterCpPathOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly tls: ReplicaTls
  readonly clock: Clock
  readonly log: Logger
  /** Where another replica is, as far as is known. */
  member(instanceId: string): Member | undefined
}

export interface InterCpPath extends RequestPath {
  /** Opens the port. Resolves with it. Errors: process/port-taken, config/invalid. */
  listen(): Promise<number>
  /** Ends the connection to an instance that is gone. */
  forget(instanceId: string): void
  close(): Promise<void>
}

/** How long answers under way may take when this process stops. */
const drainMs = 500

/** Up from `listen` to `close`. */
export function createInterCpPath(options: InterCpPathOptions): InterCpPath {
  const topics = createTopics()
  const client = createInterCpClient({ tls: options.tls })
  const server = createInterCpServer({ ...options, handler: topics.handler })
  let isUp = false
  return {
    get isUp() {
      return isUp
    },
    listen: async () => {
      const port = await server.listen()
      isUp = true
      return port
    },
    ask: async (instanceId, request) => {
      const member = options.member(instanceId)
      if (!member) throw new AppError('replicas/unreachable', `replica ${instanceId} is not known`, { retryable: true })
      return client.ask(member, request)
    },
    serve: topics.serve,
    forget: client.forget,
    close: async () => {
      isUp = false
      client.close()
      await server.close(drainMs)
    },
  }
}
