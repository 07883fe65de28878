// Which collectors metrics go to: those of `/otel`, which the launcher calls itself, and those that `/meshmetric` lists, for which Envoy listens on Unix
// sockets (contract/dataplane.md section 10). What is sent is always what `/meshmetric` says. One exporter for each; those whose entry did not change go on.
import { messageOf } from '@weft/foundation/errors'
import { field, listField, objectField, textField } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import { type Clock, parseDuration } from '@weft/foundation/time'
import { collectMetrics, extraLabels, type MetricSources, metricsPart } from '../metric-collection.ts'
import type { MetricExporter } from './metric-exporter.ts'
import { type BackendPlan, type Destination, plainDestination } from './signal-plan.ts'

export interface MetricExportsOptions {
  readonly sources: MetricSources
  /** `<mesh>.<name>` of the proxy. */
  readonly instance: string
  readonly version: string
  readonly clock: Clock
  readonly log: Logger
}

export interface MetricExports {
  /** Takes a `/meshmetric` body; undefined ends all. */
  configure(config: unknown): void
  /** Takes the collectors of `/otel`. */
  configureBackends(plans: readonly BackendPlan[]): void
  close(): void
}

/** A collector and how often it gets metrics. */
export interface MetricBackend {
  readonly name: string
  readonly to: Destination
  readonly intervalMs: number
}

const defaultIntervalMs = 60_000

/** The collectors of a body. Entries without an endpoint are left out. */
export function metricBackends(config: unknown): readonly MetricBackend[] {
  return listField(metricsPart(config), 'backends').flatMap((backend) => {
    const settings = objectField(backend, 'openTelemetry')
    const endpoint = textField(settings, 'endpoint')
    if (textField(backend, 'type') !== 'OpenTelemetry' || endpoint === '') return []
    const intervalMs = parseDuration(textField(settings, 'refreshInterval'))
    return [
      {
        name: textField(backend, 'name'),
        to: plainDestination(endpoint.startsWith('/') ? `unix:${endpoint}` : endpoint),
        intervalMs: intervalMs !== undefined && intervalMs > 0 ? intervalMs : defaultIntervalMs,
      },
    ]
  })
}

function planned(plans: readonly BackendPlan[]): readonly MetricBackend[] {
  return plans.flatMap(({ name, signals: { metrics } }) =>
    'unavailable' in metrics ? [] : [{ name, to: metrics.to, intervalMs: metrics.refreshIntervalMs ?? defaultIntervalMs }],
  )
}

/** Nothing runs before the first collector. */
export function createMetricExports(options: MetricExportsOptions): MetricExports {
  const { clock, log, sources } = options
  const running = new Map<string, MetricExporter>()
  let current: unknown
  let plans: readonly BackendPlan[] = []
  let isClosed = false

  const stopExcept = (wanted: ReadonlySet<string>): void => {
    for (const [key, exporter] of running) {
      if (wanted.has(key)) continue
      exporter.close()
      running.delete(key)
    }
  }
  const start = async (backends: ReadonlyMap<string, MetricBackend>): Promise<void> => {
    // gRPC and protobuf are loaded by launchers that have a collector, and by no others
    const [{ createMetricSender }, { startMetricExporter }, { exportRequests }] = await Promise.all([
      import('./collector-client.ts'),
      import('./metric-exporter.ts'),
      import('./otlp-metrics.ts'),
    ])
    const collect = async (): Promise<Iterable<Uint8Array>> => {
      const metrics = metricsPart(current)
      const attributes = extraLabels(metrics)
      const families = await collectMetrics(sources, metrics)
      const resource = resourceOf(attributes, options.instance)
      return exportRequests(families, { resource, attributes, timeMs: clock.now(), version: options.version })
    }
    for (const [key, { name, to, intervalMs }] of backends) {
      // another body may have come meanwhile
      if (isClosed || running.has(key) || !wanted().has(key)) continue
      try {
        running.set(key, startMetricExporter({ name, intervalMs, collect, sender: createMetricSender(to), clock, log }))
        log.info({ component: 'dp.otel', name, ms: intervalMs }, 'metrics go to a collector')
      } catch (error) {
        log.error({ component: 'dp.otel', name, err: messageOf(error) }, 'a collector cannot be called as the environment says')
      }
    }
  }
  // without `/meshmetric` nobody says which metrics
  const wanted = (): ReadonlyMap<string, MetricBackend> =>
    new Map(
      (current === undefined ? [] : [...metricBackends(current), ...planned(plans)]).map((backend) => [JSON.stringify(backend), backend]),
    )
  const settle = (): void => {
    const backends = wanted()
    stopExcept(new Set(backends.keys()))
    if (backends.size > 0) void start(backends)
  }
  return {
    configure: (config) => {
      current = config
      settle()
    },
    configureBackends: (next) => {
      plans = next
      settle()
    },
    close: () => {
      isClosed = true
      stopExcept(new Set())
    },
  }
}

/** Collectors make `job` and `instance` of these. */
function resourceOf(labels: Readonly<Record<string, string>>, instance: string): Readonly<Record<string, string>> {
  const workload = field(labels, 'kuma.workload')
  return {
    'service.name': typeof workload === 'string' && workload !== '' ? workload : 'unknown_service:weft-dp',
    'service.instance.id': instance,
  }
}
