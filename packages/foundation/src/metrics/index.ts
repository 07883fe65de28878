// Prometheus metrics by prom-client behind one registry per process (or per test).
import { Counter, Gauge, Registry } from 'prom-client'
import { byLabels } from './by-labels.ts'
import { PlainHistogram } from './plain-histogram.ts'
import { addProcessMetrics } from './process.ts'

export interface CounterHandle {
  inc(labels?: Readonly<Record<string, string>>, by?: number): void
}
export interface GaugeHandle {
  set(value: number, labels?: Readonly<Record<string, string>>): void
}
export interface HistogramHandle {
  observe(value: number, labels?: Readonly<Record<string, string>>): void
}

/**
 * Makes metrics. Names are `<area>_<thing>_<unit>_<suffix>`; labels are bounded (type, reason, result), never a proxy or resource name.
 * Asking for an existing name returns the same metric.
 */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): CounterHandle
  /** `collect` runs at every exposition; what it returns is set, and with labels it sets its values itself. */
  gauge(name: string, help: string, labels?: readonly string[], collect?: () => number | undefined): GaugeHandle
  /** Buckets are in the unit of the name; the default suits seconds from 0.1 ms to 10 s. */
  histogram(name: string, help: string, labels?: readonly string[], buckets?: readonly number[]): HistogramHandle
  /** The Prometheus text exposition and its content type. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>
}

const secondsBuckets = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** A fresh registry, empty unless it is the one of a whole process: then it also tells what that uses. */
export function createMetrics(options: { readonly process?: boolean } = {}): Metrics {
  const registry = new Registry()
  if (options.process) addProcessMetrics(registry)
  const made = new Map<string, unknown>()
  // the name decides the kind, so a cached handle always has the type asked for
  const once = <T>(name: string, make: () => T): T => {
    if (!made.has(name)) made.set(name, make())
    return made.get(name) as T
  }
  return {
    counter: (name, help, labels = []) =>
      once(name, () => {
        const counts = byLabels(labels, (values) => ({ values, count: 0 }))
        const counter: Counter = new Counter({
          name,
          help,
          labelNames: [...labels],
          registers: [registry],
          collect: () => {
            counter.reset()
            for (const { values, count } of counts.all()) counter.inc(values, count)
          },
        })
        return {
          inc: (values = {}, by = 1) => {
            if (!(by >= 0 && Number.isFinite(by))) throw new TypeError(`${name} cannot be increased by ${by}`)
            counts.of(values).count += by
          },
        }
      }),
    gauge: (name, help, labels = [], collect) =>
      once(name, () => {
        const gauge: Gauge = new Gauge({
          name,
          help,
          labelNames: [...labels],
          registers: [registry],
          ...(collect
            ? {
                collect: () => {
                  if (labels.length > 0) gauge.reset()
                  const value = collect()
                  if (value !== undefined) gauge.set(value)
                },
              }
            : {}),
        })
        return { set: (value, values) => gauge.set(values ?? {}, value) }
      }),
    histogram: (name, help, labels = [], buckets = secondsBuckets) =>
      once(name, () => {
        const histogram = new PlainHistogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers: [registry] })
        return { observe: (value, values = {}) => histogram.add(value, values) }
      }),
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  }
}
