// One GET over TCP or a Unix socket, bounded in time and size, on a connection of its own: a listener that Envoy replaced goes on answering on old ones.
import { request } from 'node:http'

export interface HttpAnswer {
  readonly status: number
  readonly etag: string | undefined
  readonly text: string
}

export type HttpTarget = { readonly path: string; readonly headers?: Readonly<Record<string, string>> } & (
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number }
)

const timeoutMs = 5_000
/** A source that answers with more is refused. */
const maxBodyBytes = 64 * 1024 * 1024

/** The answer, whatever its status. Rejects when there is none within 5 s, or one of more than 64 MiB. */
export function httpGet(target: HttpTarget): Promise<HttpAnswer> {
  return new Promise((done, fail) => {
    const sent = request(
      { ...target, headers: { accept: 'text/plain', ...target.headers }, agent: false, timeout: timeoutMs },
      (response) => {
        const { statusCode: status = 0, headers } = response
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > maxBodyBytes) sent.destroy(new Error(`${target.path} answers with more than ${maxBodyBytes} bytes`))
          else chunks.push(chunk)
        })
        response.on('error', fail)
        response.on('end', () => done({ status, etag: headers.etag, text: Buffer.concat(chunks).toString('utf8') }))
      },
    )
    sent.on('timeout', () => sent.destroy(new Error(`no answer to ${target.path} within ${timeoutMs} ms`)))
    sent.on('error', fail)
    sent.end()
  })
}
