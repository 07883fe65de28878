// The metrics of a proxy and of the applications beside it, filtered as the control plane says (contract/dataplane.md section 10). Both the endpoint that
// Prometheus scrapes and the exporter to collectors take them from here.
import { messageOf } from '@weft/foundation/errors'
import { field, isObject, listField, numberField, textField } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import { httpGet, type HttpTarget } from './http-get.ts'
import { filterMetrics } from './metric-profile.ts'
import { joinFamilies, type MetricFamily, parseMetrics } from './metric-text.ts'

export interface MetricSources {
  /** Envoy's admin socket. */
  readonly adminSocket: string
  /** Where applications are that name no address. */
  readonly applicationAddress: string
  /** Metrics of the launcher itself; the profile applies to them too. */
  readonly own: () => Promise<readonly MetricFamily[]>
  readonly log: Logger
}

/** The part of a `/meshmetric` body that says what to collect. */
export function metricsPart(config: unknown): unknown {
  return field(field(config, 'observability'), 'metrics')
}

/** Labels for all metrics, as the control plane spells them. */
export function extraLabels(metrics: unknown): Readonly<Record<string, string>> {
  const labels = field(metrics, 'extraLabels')
  return Object.fromEntries(isObject(labels) ? Object.entries(labels).map(([key, text]) => [key, String(text)]) : [])
}

/** Families of all sources, those of one name joined. Rejects when Envoy does not answer; an application that is away costs its own metrics only. */
export async function collectMetrics(sources: MetricSources, metrics: unknown): Promise<readonly MetricFamily[]> {
  const sidecar = field(metrics, 'sidecar')
  const query = field(sidecar, 'includeUnused') === true ? '' : '?usedonly'
  const envoy = textOf({ socketPath: sources.adminSocket, path: `/stats/prometheus${query}` }).then((text) =>
    filterMetrics(parseMetrics(text), sidecar),
  )
  const own = sources.own().then((families) => filterMetrics(families, sidecar))
  const applications = listField(metrics, 'applications').map((application) => applicationMetrics(sources, application))
  return joinFamilies(await Promise.all([envoy, own, ...applications]))
}

async function applicationMetrics({ applicationAddress, log }: MetricSources, application: unknown): Promise<readonly MetricFamily[]> {
  const host = textField(application, 'address') || applicationAddress
  const path = textField(application, 'path') || '/metrics'
  try {
    return parseMetrics(await textOf({ host, port: numberField(application, 'port'), path: path.startsWith('/') ? path : `/${path}` }))
  } catch (error) {
    const name = textField(application, 'name')
    log.warn({ component: 'dp.metrics', name, host, err: messageOf(error) }, 'metrics of an application are missing')
    return []
  }
}

async function textOf(target: HttpTarget): Promise<string> {
  const { status, text } = await httpGet(target)
  if (status !== 200) throw new Error(`${target.path} answers ${status}`)
  return text
}
