// A histogram that observes with an addition: prom-client makes keys and objects for every observation, and a push to a proxy has several.
import { Histogram, type HistogramConfiguration } from 'prom-client'
import { type ByLabels, byLabels, type LabelValues } from './by-labels.ts'

type Exposition = Awaited<ReturnType<Histogram['get']>>

interface Observed {
  readonly labels: LabelValues
  /** Of each bucket, and last of what is beyond them. */
  readonly counts: number[]
  sum: number
}

/** Counts by itself; of the library's it has name, help, checks of its configuration and the place in the registry. */
export class PlainHistogram extends Histogram {
  /** Never observes anything. */
  readonly #empty: Histogram
  readonly #name: string
  readonly #bounds: readonly number[]
  readonly #observed: ByLabels<Observed>

  constructor(config: HistogramConfiguration<string> & { readonly buckets: number[]; readonly labelNames: string[] }) {
    super(config)
    const { name, help, buckets, labelNames } = config
    this.#name = name
    this.#empty = new Histogram({ name, help, registers: [] })
    this.#bounds = [...buckets]
    this.#observed = byLabels(labelNames, (labels) => ({ labels, counts: Array.from({ length: buckets.length + 1 }, () => 0), sum: 0 }))
    if (labelNames.length === 0) this.#observed.of({})
  }

  /** One more value. */
  add(value: number, labels: LabelValues): void {
    if (!Number.isFinite(value)) throw new TypeError(`${this.#name} cannot observe ${value}`)
    const observed = this.#observed.of(labels)
    let bucket = 0
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket++
    observed.counts[bucket] = (observed.counts[bucket] ?? 0) + 1
    observed.sum += value
  }

  override async get(): Promise<Exposition> {
    return { ...(await this.#empty.get()), values: [...this.#observed.all()].flatMap((each) => this.#valuesOf(each)) }
  }

  /** What the registry asks for when it writes text. */
  getForPromString(): Promise<Exposition> {
    return this.get()
  }

  #valuesOf({ labels, counts, sum }: Observed): Exposition['values'] {
    let count = 0
    const buckets = counts.map((each, index) => {
      count += each
      return { labels: { le: this.#bounds[index] ?? '+Inf', ...labels }, value: count, metricName: `${this.#name}_bucket` }
    })
    return [
      ...buckets,
      { labels, value: sum, metricName: `${this.#name}_sum` },
      { labels, value: count, metricName: `${this.#name}_count` },
    ]
  }
}
