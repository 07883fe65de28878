// Which collectors metrics go to, as `/meshmetric` lists them: Envoy listens for them on Unix sockets and takes them on (contract/dataplane.md section 10).
// One exporter for each; those whose entry did not change go on.
import { field, listField, objectField, textField } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import { type Clock, parseDuration } from '@weft/foundation/time'
import { collectMetrics, extraLabels, type MetricSources, metricsPart } from '../metric-collection.ts'
import type { MetricExporter } from './metric-exporter.ts'

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
  close(): void
}

/** A collector as the body names it. */
export interface MetricBackend {
  readonly name: string
  readonly target: string
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
        target: endpoint.startsWith('/') ? `unix:${endpoint}` : endpoint,
        intervalMs: intervalMs !== undefined && intervalMs > 0 ? intervalMs : defaultIntervalMs,
      },
    ]
  })
}

/** Nothing runs before the first collector. */
export function createMetricExports(options: MetricExportsOptions): MetricExports {
  const { clock, log, sources } = options
  const running = new Map<string, MetricExporter>()
  let current: unknown
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
    for (const [key, { name, target, intervalMs }] of backends) {
      // another body may have come meanwhile
      if (isClosed || running.has(key) || !keysOf(current).has(key)) continue
      log.info({ component: 'dp.otel', name, ms: intervalMs }, 'metrics go to a collector')
      running.set(key, startMetricExporter({ name, intervalMs, collect, sender: createMetricSender(target), clock, log }))
    }
  }
  return {
    configure: (config) => {
      current = config
      const backends = keysOf(config)
      stopExcept(new Set(backends.keys()))
      if (backends.size > 0) void start(backends)
    },
    close: () => {
      isClosed = true
      stopExcept(new Set())
    },
  }
}

function keysOf(config: unknown): ReadonlyMap<string, MetricBackend> {
  return new Map(metricBackends(config).map((backend) => [JSON.stringify(backend), backend]))
}

/** Collectors make `job` and `instance` of these. */
function resourceOf(labels: Readonly<Record<string, string>>, instance: string): Readonly<Record<string, string>> {
  const workload = field(labels, 'kuma.workload')
  return {
    'service.name': typeof workload === 'string' && workload !== '' ? workload : 'unknown_service:weft-dp',
    'service.instance.id': instance,
  }
}
