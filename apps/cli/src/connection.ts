// The REST connection: one place that knows how errors of the API look (contract/rest-cli-gui.md section 2).
import { createWriteStream, readFileSync } from 'node:fs'
import { rename, stat } from 'node:fs/promises'
import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { AppError, messageOf, type Violation } from '@weft/foundation/errors'

export interface ConnectOptions {
  readonly address: string
  readonly token?: string
  readonly caCertFile?: string
  /** Told what the control plane warns of in a successful answer that is read as JSON, each text once. */
  readonly warn?: (text: string) => void
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

export interface Connection {
  readonly address: string
  /** Sends and gives back any answer; throws cli/request-failed only when there is none. */
  send(method: string, path: string, body?: unknown): Promise<Answer>
  /** Writes the bytes of a successful answer into a file that only its owner reads; a file that is there is replaced once all is here. */
  download(path: string, file: string): Promise<number>
  /** The parsed JSON of a successful answer. Throws api/not-found or cli/request-failed with the API's own words. */
  json(method: string, path: string, body?: unknown): Promise<unknown>
  /** All items of a list, page by page. */
  items(path: string): Promise<readonly Readonly<Record<string, unknown>>[]>
}

const timeoutMs = 60_000
const pageSize = 1000

/** A connection to one control plane. Nothing is sent until it is used. */
export function connect(options: ConnectOptions): Connection {
  let base: URL
  try {
    base = new URL(options.address)
  } catch {
    throw new AppError('cli/usage', `--address is not a URL: ${options.address}`)
  }
  const ca = options.caCertFile ? readFileSync(options.caCertFile) : undefined
  const warned = new Set<string>()
  const ask = (method: string, path: string, body?: unknown): Promise<IncomingMessage> =>
    new Promise((done, fail) => {
      const sentText = body === undefined ? undefined : JSON.stringify(body)
      const headers: Record<string, string> = { accept: 'application/json' }
      if (sentText !== undefined) headers['content-type'] = 'application/json'
      if (options.token) headers['authorization'] = `Bearer ${options.token}`
      const url = new URL(base.pathname.replace(/\/$/, '') + path, base)
      const make = url.protocol === 'https:' ? tlsRequest : plainRequest
      const sent = make(url, { method, headers, timeout: timeoutMs, ...(ca ? { ca } : {}) }, done)
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
      sent.on('error', (error) =>
        fail(
          new AppError(
            'cli/request-failed',
            `cannot reach the control plane at ${options.address}: ${messageOf(error) || 'connection refused'}`,
            { cause: error },
          ),
        ),
      )
      sent.end(sentText)
    })
  const textOf = async (response: IncomingMessage): Promise<Answer> => ({
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: await text(response),
  })
  const send = async (method: string, path: string, body?: unknown): Promise<Answer> => textOf(await ask(method, path, body))
  const json = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await send(method, path, body)
    if (answer.status >= 300) throw refusal(answer)
    for (const warning of warningsOf(answer)) {
      if (!warned.has(warning)) options.warn?.(warning)
      warned.add(warning)
    }
    return answer.text === '' ? undefined : JSON.parse(answer.text)
  }
  return {
    address: options.address,
    send,
    json,
    download: async (path, file) => {
      const response = await ask('GET', path)
      if ((response.statusCode ?? 0) >= 300) throw refusal(await textOf(response))
      const partial = `${file}.partial`
      await pipeline(response, createWriteStream(partial, { mode: 0o600 }))
      if (!response.complete) throw new AppError('cli/request-failed', 'the connection ended too early')
      await rename(partial, file)
      return (await stat(file)).size
    },
    items: async (path) => {
      const all: Record<string, unknown>[] = []
      for (let offset = 0; ; offset += pageSize) {
        const page = asRecord(await json('GET', `${path}${path.includes('?') ? '&' : '?'}size=${pageSize}&offset=${offset}`))
        const items = Array.isArray(page['items']) ? page['items'].map(asRecord) : []
        all.push(...items)
        if (!page['next'] || items.length === 0) return all
      }
    },
  }
}

/** A refusal in the API's own words, with its field violations. */
export function refusal(answer: Answer): AppError {
  let body: Readonly<Record<string, unknown>> = {}
  try {
    body = asRecord(JSON.parse(answer.text))
  } catch {
    // not every refusal is JSON (404, 405 and 415 of unknown routes are text)
  }
  const title = typeof body['title'] === 'string' ? body['title'] : `(${answer.status})`
  const detail = typeof body['detail'] === 'string' ? body['detail'].trim() : answer.text.trim()
  const violations: Violation[] = (Array.isArray(body['invalid_parameters']) ? body['invalid_parameters'] : [])
    .map(asRecord)
    .map((entry) => ({ field: String(entry['field'] ?? ''), message: String(entry['reason'] ?? '') }))
  return new AppError(answer.status === 404 ? 'api/not-found' : 'cli/request-failed', `${title}${detail ? ` (${detail})` : ''}`, {
    violations,
  })
}

/** Texts of the `Warning` header, as `warningHeader` of the API writes it; none where it is written in another way. */
function warningsOf({ headers: { warning } }: Answer): readonly string[] {
  const texts = typeof warning === 'string' ? warning.matchAll(/299 - ("(?:[^"\\]|\\.)*")/g) : []
  return [...texts].flatMap(([, quoted = '']) => {
    try {
      return [String(JSON.parse(quoted))]
    } catch {
      return []
    }
  })
}

/** An object of unknown values, or an empty one for anything that is no object. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/** The items of a list as objects of unknown values; none for anything that is no list. */
export function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(asRecord) : []
}
