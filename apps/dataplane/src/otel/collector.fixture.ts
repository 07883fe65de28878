// An OpenTelemetry collector for tests: a gRPC server that keeps what it gets.
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, type ServiceError, status } from '@grpc/grpc-js'
import { exportRequest, exportResponse } from './otlp-schema.ts'

export interface TestCollector extends AsyncDisposable {
  /** `host:port`, or the path of the socket. */
  readonly address: string
  readonly port: number
  /** Requests in the order they came, as objects. */
  readonly arrived: unknown[]
  /** What it says to each; undefined takes everything. */
  answer: (() => { readonly code?: status; readonly rejected?: number; readonly reason?: string }) | undefined
  /** Resolves with the number of requests once there are so many. */
  reached(count: number): Promise<void>
}

/** Listens on loopback, or on a Unix socket. */
export async function startCollector(target = '127.0.0.1:0'): Promise<TestCollector> {
  const server = new Server()
  const waiting: { readonly count: number; done(): void }[] = []
  const passThrough = (bytes: Buffer): Buffer => bytes
  server.addService(
    {
      Export: {
        path: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
        requestStream: false,
        responseStream: false,
        requestSerialize: passThrough,
        requestDeserialize: passThrough,
        responseSerialize: passThrough,
        responseDeserialize: passThrough,
      },
    },
    {
      Export: ({ request }: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        collector.arrived.push(exportRequest.toObject(exportRequest.decode(request), { longs: Number }))
        const { code, rejected = 0, reason = '' } = collector.answer?.() ?? {}
        if (code === undefined) {
          const partialSuccess = rejected > 0 ? { rejectedDataPoints: rejected, errorMessage: reason } : undefined
          callback(null, Buffer.from(exportResponse.encode({ partialSuccess }).finish()))
        } else callback({ code, details: reason } as Partial<ServiceError>)
        for (const each of waiting) if (collector.arrived.length >= each.count) each.done()
      },
    },
  )
  const port = await new Promise<number>((done, fail) =>
    server.bindAsync(target, ServerCredentials.createInsecure(), (error, bound) => (error ? fail(error) : done(bound))),
  )
  const collector: TestCollector = {
    address: `127.0.0.1:${port}`,
    port,
    arrived: [],
    answer: undefined,
    reached: (count) => {
      if (collector.arrived.length >= count) return Promise.resolve()
      return new Promise((done) => waiting.push({ count, done }))
    },
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  }
  return collector
}
