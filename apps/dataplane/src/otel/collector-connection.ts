// The way to one collector: OTLP over gRPC or HTTP. Requests and answers are encoded messages that nobody here looks into.
import { readFileSync } from 'node:fs'
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Client, credentials, Metadata, type ServiceDefinition, status } from '@grpc/grpc-js'
import { messageOf } from '@weft/foundation/errors'
import type { Signal } from './otlp-env.ts'
import type { Destination } from './signal-plan.ts'

/** A request that a collector did not take. */
export class SendError extends Error {
  readonly code: status

  constructor(code: status, message: string) {
    super(message)
    this.code = code
  }
}

export interface CollectorConnection {
  /** Sends one encoded request. The answer is encoded too; empty where the collector says no more than that it took it. Rejects with SendError. */
  send(signal: Signal, request: Uint8Array): Promise<Uint8Array>
  /** Closes once what is under way has ended, which its timeout bounds. */
  close(): void
}

/** Methods of the collector by signal (OpenTelemetry protocol 1.x). */
export const exportMethods: Readonly<Record<Signal, string>> = {
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
}

const passThrough = (bytes: Buffer): Buffer => bytes

/** The service of a collector for one signal, as a server of encoded messages has it. */
export function exportService(signal: Signal): ServiceDefinition {
  return {
    Export: {
      path: exportMethods[signal],
      requestStream: false,
      responseStream: false,
      requestSerialize: passThrough,
      requestDeserialize: passThrough,
      responseSerialize: passThrough,
      responseDeserialize: passThrough,
    },
  }
}

const nothing = new Uint8Array()
const maxAnswerBytes = 64 * 1024
const maxConnections = 4

/** Connects at the first request. Throws a plain Error when a file of certificates cannot be read. */
export function connectCollector(to: Destination): CollectorConnection {
  const { send, close } = to.protocol === 'grpc' ? grpcConnection(to) : httpConnection(to)
  let underWay = 0
  let isClosing = false
  return {
    send: async (signal, request) => {
      underWay++
      try {
        return await send(signal, request)
      } finally {
        underWay--
        if (isClosing && underWay === 0) close()
      }
    },
    close: () => {
      isClosing = true
      if (underWay === 0) close()
    },
  }
}

function grpcConnection(to: Destination): CollectorConnection {
  const files = to.tls ? certificateFiles(to) : undefined
  const client = new Client(
    to.endpoint,
    files ? credentials.createSsl(files.ca ?? null, files.key ?? null, files.cert ?? null) : credentials.createInsecure(),
    {
      // we come back at our own intervals, and then it should be tried
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': maxAnswerBytes,
      // 2 is gzip
      ...(to.gzip ? { 'grpc.default_compression_algorithm': 2 } : {}),
    },
  )
  const metadata = new Metadata()
  for (const [key, value] of Object.entries(to.headers)) if (!key.endsWith('-bin')) metadata.set(key, value)
  const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    send: (signal, request) =>
      new Promise((done, fail) => {
        client.makeUnaryRequest<Uint8Array, Uint8Array>(
          exportMethods[signal],
          asBuffer,
          (bytes) => bytes,
          request,
          metadata.clone(),
          { deadline: Date.now() + to.timeoutMs },
          (error, answer) => {
            if (error) fail(new SendError(error.code, `${status[error.code] ?? error.code}: ${error.details || messageOf(error)}`))
            else done(answer ?? nothing)
          },
        )
      }),
    close: () => client.close(),
  }
}

function httpConnection(to: Destination): CollectorConnection {
  const options = { keepAlive: true, maxSockets: maxConnections }
  const agent = to.tls ? new HttpsAgent({ ...options, ...certificateFiles(to) }) : new HttpAgent(options)
  const url = new URL(`${to.tls ? 'https' : 'http'}://${to.endpoint}${to.path}`)
  const compress = promisify(gzip)
  return {
    send: async (_, request) => {
      const body = to.gzip ? await compress(request) : request
      const headers = {
        ...to.headers,
        'content-type': 'application/x-protobuf',
        'content-length': String(body.length),
        ...(to.gzip ? { 'content-encoding': 'gzip' } : {}),
      }
      const response = await new Promise<IncomingMessage>((done, fail) => {
        const sent = (to.tls ? httpsRequest : httpRequest)(url, {
          method: 'POST',
          agent,
          headers,
          signal: AbortSignal.timeout(to.timeoutMs),
        })
        sent.on('error', fail)
        sent.on('response', done)
        sent.end(body)
      }).catch(unavailable)
      const answer = await readAnswer(response).catch(unavailable)
      const { statusCode: code = 0 } = response
      if (code < 200 || code > 299) throw new SendError(codeOf(code), `the collector answers ${code}`)
      return response.headers['content-type'] === 'application/x-protobuf' ? answer : nothing
    },
    close: () => agent.destroy(),
  }
}

function unavailable(error: unknown): never {
  const isLate = error instanceof Error && error.name === 'AbortError'
  throw new SendError(isLate ? status.DEADLINE_EXCEEDED : status.UNAVAILABLE, messageOf(error))
}

async function readAnswer(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxAnswerBytes) throw new Error(`the collector answers with more than ${maxAnswerBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** As the protocol maps them: what may work later is UNAVAILABLE. */
function codeOf(http: number): status {
  if (http === 401) return status.UNAUTHENTICATED
  if (http === 403) return status.PERMISSION_DENIED
  if (http === 404) return status.UNIMPLEMENTED
  if (http === 429 || http >= 500) return status.UNAVAILABLE
  return status.INVALID_ARGUMENT
}

function certificateFiles({ certificate, clientCertificate, clientKey }: Destination): {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
} {
  return {
    ...(certificate === undefined ? {} : { ca: readFileSync(certificate) }),
    ...(clientCertificate === undefined || clientKey === undefined
      ? {}
      : { cert: readFileSync(clientCertificate), key: readFileSync(clientKey) }),
  }
}
