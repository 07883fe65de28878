// The metrics endpoint behind Envoy's Prometheus listeners: Envoy's own metrics and those of the applications beside it, filtered and labelled as the zone
// says. What to collect is asked for at each scrape, so nothing runs between scrapes.
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { messageOf } from '@weft/foundation/errors'
import { httpGet } from './http-get.ts'
import { collectMetrics, extraLabels, type MetricSources, metricsPart } from './metric-collection.ts'
import { formatMetrics, labelled } from './metric-text.ts'

export interface MetricsEndpoint {
  close(): Promise<void>
}

export interface MetricsOptions extends MetricSources {
  readonly socketPath: string
  readonly dynamicConfigSocket: string
}

const path = '/meshmetric'
const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** Serves the endpoint on its socket until closed. */
export async function startMetricsEndpoint(options: MetricsOptions): Promise<MetricsEndpoint> {
  const remembered: Remembered = { etag: undefined, config: undefined }
  const server = createServer((incoming, response) => {
    const end = (status: number, text: string): void => void response.writeHead(status, { 'content-type': contentType }).end(text)
    if (incoming.url?.split('?')[0] !== path) return end(404, 'not found\n')
    scrape(options, remembered).then(
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

async function scrape(options: MetricsOptions, remembered: Remembered): Promise<string> {
  const metrics = metricsPart(await launcherConfig(options, remembered))
  const labels = extraLabels(metrics)
  const families = await collectMetrics(options, metrics)
  return formatMetrics(families.map((family) => labelled(family, labels)))
}

/** Asked with the tag of the last answer, which then need not be sent again. */
async function launcherConfig({ dynamicConfigSocket: socketPath }: MetricsOptions, remembered: Remembered): Promise<unknown> {
  const headers: Record<string, string> = remembered.etag === undefined ? {} : { 'if-none-match': remembered.etag }
  const { status, etag, text } = await httpGet({ socketPath, path, headers })
  if (status === 200) {
    remembered.config = JSON.parse(text)
    remembered.etag = etag
  } else if (status !== 304) throw new Error(`${path} answers ${status}`)
  return remembered.config
}
