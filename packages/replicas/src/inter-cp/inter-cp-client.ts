// Questions to other replicas at their inter-CP ports: one connection for each, made when it is needed. The other end must show the
// certificate of the very instance that is meant, so that a later process at the same address gets nothing of it.
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { AppError } from '@weft/foundation/errors'
import { codec, serviceDefinition } from '@weft/proto'
import { checkSize, readAnswer } from '../answer.ts'
import type { Member, ReplicaRequest } from '../contract.ts'
import { interCpChannel } from './inter-cp-server.ts'
import type { ReplicaTls } from './inter-cp-tls.ts'

export interface InterCpClient {
  /** As `RequestPath.ask`. */
  ask(member: Member, request: ReplicaRequest): Promise<Uint8Array>
  /** Ends the connection to an instance that is gone. */
  forget(instanceId: string): void
  close(): void
}

interface Connection {
  readonly client: Client
  readonly address: string
}

/** A connection that nobody used for so long is closed. */
const idleMs = 60_000

const method = (): ReturnType<typeof serviceDefinition<'weft.replica.v1.ReplicaService'>>['Ask'] =>
  serviceDefinition('weft.replica.v1.ReplicaService').Ask

/** No connections yet. */
export function createInterCpClient({ tls }: { readonly tls: ReplicaTls }): InterCpClient {
  const connections = new Map<string, Connection>()
  const forget = (instanceId: string): void => {
    connections.get(instanceId)?.client.close()
    connections.delete(instanceId)
  }
  const closeAll = (): void => {
    for (const instanceId of connections.keys()) forget(instanceId)
  }
  const stopFollowing = tls.onChange(closeAll)
  const connectionTo = (instanceId: string, address: string): Client => {
    const found = connections.get(instanceId)
    if (found?.address === address) return found.client
    forget(instanceId)
    const { caPem, client } = tls.current
    const made = new Client(
      address,
      credentials.createSsl(Buffer.from(caPem), Buffer.from(client.privateKeyPem), Buffer.from(client.certificatePem)),
      {
        ...interCpChannel,
        'grpc.ssl_target_name_override': instanceId,
        'grpc.client_idle_timeout_ms': idleMs,
        'grpc.use_local_subchannel_pool': 1,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2_000,
        'grpc.enable_http_proxy': 0,
        'grpc.service_config_disable_resolution': 1,
      },
    )
    connections.set(instanceId, { client: made, address })
    return made
  }
  return {
    ask: ({ instanceId, address }, { topic, body, limitMs }) => {
      if (!address) return Promise.reject(unreachable(instanceId, 'it has no inter-CP port'))
      checkSize('the question', body)
      const { host, port } = address
      const question = codec('weft.replica.v1.Question').encode({ topic, body })
      const { path, requestSerialize, responseDeserialize } = method()
      const client = connectionTo(instanceId, `${host.includes(':') ? `[${host}]` : host}:${port}`)
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          question,
          // the deadline of gRPC is wall time, as everywhere in it
          { deadline: Date.now() + limitMs },
          (error: ServiceError | null, answer?: Buffer) => {
            // it may be half-open: what is asked from here on dials, what is under way stays
            if (error?.code === status.DEADLINE_EXCEEDED && connections.get(instanceId)?.client === client) forget(instanceId)
            if (error) reject(failureOf(instanceId, error, limitMs))
            else resolve(answer ?? Buffer.alloc(0))
          },
        )
      }).then((answer) => readAnswer(answer as Buffer))
    },
    forget,
    close: () => {
      stopFollowing()
      closeAll()
    },
  }
}

function failureOf(instanceId: string, { code, details }: ServiceError, limitMs: number): AppError {
  if (code === status.DEADLINE_EXCEEDED)
    return new AppError('replicas/timeout', `replica ${instanceId} did not answer within ${limitMs} ms`, { retryable: true })
  return unreachable(instanceId, details)
}

function unreachable(instanceId: string, why: string): AppError {
  return new AppError('replicas/unreachable', `replica ${instanceId} cannot be reached: ${why}`, { retryable: true })
}
