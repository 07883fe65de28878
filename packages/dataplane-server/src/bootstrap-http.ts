// The HTTP/1 side of the proxies' port: one path, bounded bodies.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Logger } from '@weft/foundation/log'
import { messageOf } from '@weft/foundation/errors'
import { type BootstrapAnswer, type BootstrapCall, notFoundAnswer } from './bootstrap-handler.ts'

const maxBodyBytes = 1 << 20

/** Serves `/bootstrap` by the handler and nothing else. */
export function bootstrapListener(handle: (call: BootstrapCall) => Promise<BootstrapAnswer>, log: Logger): RequestListener {
  return (request, response) => {
    const path = (request.url ?? '').split('?')[0]
    if (path !== '/bootstrap') {
      request.resume()
      send(response, notFoundAnswer)
      return
    }
    readBody(request)
      .then(async (body) => {
        if (body === undefined) return { status: 413, body: '' }
        const { host = '', accept = '' } = request.headers
        return handle({ body, host, accept, address: request.socket.remoteAddress ?? '' })
      })
      .then((answer) => send(response, answer))
      .catch((error: unknown) => {
        log.debug({ err: messageOf(error) }, 'bootstrap request broke off')
        response.destroy()
      })
  }
}

/** Undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    // without an encoding set, chunks are buffers
    const bytes = chunk as Buffer
    size += bytes.length
    if (size <= maxBodyBytes) chunks.push(bytes)
  }
  return size > maxBodyBytes ? undefined : Buffer.concat(chunks).toString('utf8')
}

function send(response: ServerResponse, answer: BootstrapAnswer): void {
  response.writeHead(answer.status, {
    ...(answer.contentType ? { 'content-type': answer.contentType } : {}),
    ...(answer.retryAfterSeconds === undefined ? {} : { 'retry-after': String(answer.retryAfterSeconds) }),
    'content-length': Buffer.byteLength(answer.body),
  })
  response.end(answer.body)
}
