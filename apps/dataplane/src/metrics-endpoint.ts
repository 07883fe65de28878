// The metrics endpoint behind Envoy's Prometheus listeners: Envoy's own metrics and those of the applications beside it, filtered and labelled as the zone
// says. What to collect is asked for at each scrape, so nothing runs between scrapes.
import { rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { messageOf } from '@weft/foundation/errors'
import { field, isObject, listField, numberField, textField } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import { filterMetrics } from './metric-profile.ts'
import { formatMetrics, joinFamilies, labelled, parseMetrics } from './metric-text.ts'

export interface MetricsEndpoint {
  close(): Promise<void>
}

export interface MetricsOptions {
  readonly socketPath: string
  readonly dynamicConfigSocket: string
  readonly adminSocket: string
  /** Where applications are that name no address. */
  readonly applicationAddress: string
  readonly log: Logger
}

const path = '/meshmetric'
const timeoutMs = 5_000
/** A source that answers with more is left out. */
const maxBodyBytes = 64 * 1024 * 1024
const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** Serves the endpoint on its socket until closed. */
export async function startMetricsEndpoint(options: MetricsOptions): Promise<MetricsEndpoint> {
  const remembered: Remembered = { etag: undefined, config: undefined }
  const server = createServer((incoming, response) => {
    const end = (status: number, text: string): void => void response.writeHead(status, { 'content-type': contentType }).end(text)
    if (incoming.url?.split('?')[0] !== path) return end(404, 'not found\n')
    collect(options, remembered).then(
      (text) => end(200, text),
      (error: unknown) => {
        options.log.warn({ component: 'dp.metrics', err: messageOf(error) }, 'cannot collect metrics')
        end(503, `${messageOf(error)}\n`)
      },
    )
  })
  rmSync(options.socketPath, { force: true })
  await new Promise<void>((done, fail) => {
    server.once('error', fail)
    server.listen(options.socketPath, done)
  })
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

interface Remembered {
  etag: string | undefined
  config: unknown
}

async function collect(options: MetricsOptions, remembered: Remembered): Promise<string> {
  const metrics = field(field(await launcherConfig(options, remembered), 'observability'), 'metrics')
  const sidecar = field(metrics, 'sidecar')
  const extraLabels = textsOf(field(metrics, 'extraLabels'))
  const query = field(sidecar, 'includeUnused') === true ? '' : '?usedonly'
  const own = get({ socketPath: options.adminSocket, path: `/stats/prometheus${query}` }).then(({ text }) =>
    filterMetrics(parseMetrics(text), sidecar),
  )
  const applications = listField(metrics, 'applications').map(async (application) => {
    const host = textField(application, 'address') || options.applicationAddress
    const name = textField(application, 'name')
    try {
      const at = textField(application, 'path') || '/metrics'
      const answer = await get({ host, port: numberField(application, 'port'), path: at.startsWith('/') ? at : `/${at}` })
      return parseMetrics(answer.text)
    } catch (error) {
      // one application that is away costs its own metrics only
      options.log.warn({ component: 'dp.metrics', name, host, err: messageOf(error) }, 'metrics of an application are missing')
      return []
    }
  })
  const families = joinFamilies(await Promise.all([own, ...applications]))
  return formatMetrics(families.map((family) => labelled(family, extraLabels)))
}

/** Asked with the tag of the last answer, which then need not be sent again. */
async function launcherConfig(options: MetricsOptions, remembered: Remembered): Promise<unknown> {
  const headers: Record<string, string> = remembered.etag === undefined ? {} : { 'if-none-match': remembered.etag }
  const answer = await get({ socketPath: options.dynamicConfigSocket, path, headers })
  if (answer.status !== 304) {
    remembered.config = JSON.parse(answer.text)
    remembered.etag = answer.etag
  }
  return remembered.config
}

interface Answer {
  readonly status: number
  readonly etag: string | undefined
  readonly text: string
}

type Target = { readonly path: string; readonly headers?: Readonly<Record<string, string>> } & (
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number }
)

function get(target: Target): Promise<Answer> {
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
        response.on('end', () => {
          const answer = { status, etag: headers.etag, text: Buffer.concat(chunks).toString('utf8') }
          if (status === 200 || status === 304) done(answer)
          else fail(new Error(`${target.path} answers ${status}`))
        })
      },
    )
    sent.on('timeout', () => sent.destroy(new Error(`no answer to ${target.path} within ${timeoutMs} ms`)))
    sent.on('error', fail)
    sent.end()
  })
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(isObject(value) ? Object.entries(value).map(([key, text]) => [key, String(text)]) : [])
}
