// An OpenTelemetry collector for tests: a gRPC server that keeps what it gets.
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, type ServiceError, status } from '@grpc/grpc-js'
import { exportService } from './collector-connection.ts'
import { type Signal, signals } from './otlp-env.ts'
import { exportRequest, exportResponse } from './otlp-schema.ts'

/** A request as it came. */
export interface TestCall {
  readonly signal: Signal
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

export interface TestCollector extends AsyncDisposable {
  /** `host:port`, or the path of the socket. */
  readonly address: string
  readonly port: number
  /** Requests with metrics in the order they came, as objects. */
  readonly arrived: unknown[]
  /** Requests of all signals. */
  readonly calls: TestCall[]
  /** What it says to each; undefined takes everything. */
  answer: (() => { readonly code?: status; readonly rejected?: number; readonly reason?: string }) | undefined
  /** Resolves once there were so many requests with metrics. */
  reached(count: number): Promise<void>
}

/** Listens on loopback, or on a Unix socket. */
export async function startCollector(target = '127.0.0.1:0'): Promise<TestCollector> {
  const server = new Server()
  const waiting: { readonly count: number; done(): void }[] = []
  for (const signal of signals) {
    const take = ({ request, metadata }: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void => {
      collector.calls.push({ signal, headers: metadata.getMap(), body: request })
      if (signal === 'metrics') collector.arrived.push(exportRequest.toObject(exportRequest.decode(request), { longs: Number }))
      const { code, rejected = 0, reason = '' } = collector.answer?.() ?? {}
      if (code === undefined) {
        const partialSuccess = rejected > 0 ? { rejectedDataPoints: rejected, errorMessage: reason } : undefined
        callback(null, Buffer.from(exportResponse.encode({ partialSuccess }).finish()))
      } else callback({ code, details: reason } as Partial<ServiceError>)
      for (const each of waiting) if (collector.arrived.length >= each.count) each.done()
    }
    server.addService(exportService(signal), { Export: take })
  }
  const port = await new Promise<number>((done, fail) =>
    server.bindAsync(target, ServerCredentials.createInsecure(), (error, bound) => (error ? fail(error) : done(bound))),
  )
  const collector: TestCollector = {
    address: `127.0.0.1:${port}`,
    port,
    arrived: [],
    calls: [],
    answer: undefined,
    reached: (count) => {
      if (collector.arrived.length >= count) return Promise.resolve()
      return new Promise((done) => waiting.push({ count, done }))
    },
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  }
  return collector
}
