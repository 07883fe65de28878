// Prometheus families as OTLP requests, mapped as stock launchers map them: names stay, labels become attributes, counters are cumulative and monotonic,
// and labels that begin with otel_scope_ name the scope.
import type { MetricFamily } from '../metric-text.ts'
import { type MetricSample, parseNumber, parseSample } from '../metric-sample.ts'
import { cumulative, exportRequest } from './otlp-schema.ts'

export interface ExportContext {
  /** What the metrics are about, as a whole. */
  readonly resource: Readonly<Record<string, string>>
  /** Attributes of every data point; they count over labels of the same name. */
  readonly attributes: Readonly<Record<string, string>>
  /** Of samples that have no time of their own. */
  readonly timeMs: number
  readonly version: string
}

/** Collectors take 4 MiB; but making a request is one piece of work, which DNS queries wait for. It grows at most by one data point beyond this. */
const maxRequestBytes = 256 * 1024
/** A data point beside its labels. */
const pointBytes = 64
const numberBytes = 9
/** Scope of metrics that name none. */
const ownScope = 'kuma'
const scopePrefix = 'otel_scope_'

interface KeyValue {
  readonly key: string
  readonly value: { readonly stringValue: string }
}

interface Scope {
  readonly name: string
  readonly version: string
  readonly attributes: readonly KeyValue[]
  readonly schemaUrl: string
}

interface Point {
  readonly scope: Scope
  /** Scopes are equal when these are. */
  readonly scopeKey: string
  /** Metric name, and which kind of data the point belongs to. */
  readonly name: string
  readonly kind: Kind
  readonly description: string
  readonly data: object
  readonly sizeBytes: number
}

type Kind = 'gauge' | 'sum' | 'histogram' | 'summary'

/** Encoded requests, made one after the other. Lines that are no samples are left out. */
export function* exportRequests(families: readonly MetricFamily[], context: ExportContext): Generator<Uint8Array> {
  let points: Point[] = []
  let sizeBytes = 0
  for (const family of families) {
    for (const point of pointsOf(family, context)) {
      points.push(point)
      sizeBytes += point.sizeBytes
      if (sizeBytes < maxRequestBytes) continue
      yield encodeRequest(points, context)
      points = []
      sizeBytes = 0
    }
  }
  if (points.length > 0) yield encodeRequest(points, context)
}

function encodeRequest(points: readonly Point[], { resource }: ExportContext): Uint8Array {
  const scopes = new Map<
    string,
    { readonly scope: Scope; readonly metrics: Map<string, { readonly point: Point; readonly data: object[] }> }
  >()
  for (const point of points) {
    const scope = scopes.get(point.scopeKey) ?? { scope: point.scope, metrics: new Map() }
    scopes.set(point.scopeKey, scope)
    const key = `${point.kind} ${point.name}`
    const metric = scope.metrics.get(key)
    if (metric === undefined) scope.metrics.set(key, { point, data: [point.data] })
    else metric.data.push(point.data)
  }
  const scopeMetrics = [...scopes.values()].map(({ scope: { schemaUrl, ...scope }, metrics }) => ({
    scope,
    schemaUrl,
    metrics: [...metrics.values()].map(({ point, data }) => ({
      name: point.name,
      description: point.description,
      [point.kind]: { dataPoints: data, ...aggregation(point.kind) },
    })),
  }))
  return exportRequest.encode({ resourceMetrics: [{ resource: { attributes: keyValues(resource) }, scopeMetrics }] }).finish()
}

function aggregation(kind: Kind): object {
  if (kind === 'sum') return { aggregationTemporality: cumulative, isMonotonic: true }
  return kind === 'histogram' ? { aggregationTemporality: cumulative } : {}
}

function* pointsOf(family: MetricFamily, context: ExportContext): Generator<Point> {
  const type = headOf(family, 'TYPE')
  const description = headOf(family, 'HELP')
  if (type === 'histogram' || type === 'summary') {
    const samples = family.samples.flatMap((line) => parseSample(line) ?? [])
    for (const group of groupsOf(family.name, samples)) {
      const data = type === 'histogram' ? histogramData(group) : summaryData(group)
      yield point(group, { context, kind: type, name: family.name, description, data, numbers: 2 * group.values.length })
    }
    return
  }
  // what has no type is whatever its last value is
  const kind = type === 'counter' ? 'sum' : 'gauge'
  for (const line of family.samples) {
    const sample = parseSample(line)
    if (sample === undefined) continue
    yield point(sample, { context, kind, name: sample.name, description, data: { asDouble: sample.value }, numbers: 1 })
  }
}

interface Group {
  /** Without the label that tells its samples apart. */
  readonly labels: ReadonlyMap<string, string>
  readonly timeMs: number | undefined
  /** Upper bound or quantile, with its value, in rising order. */
  readonly values: readonly (readonly [at: number, value: number])[]
  readonly sum: number
  readonly count: number
}

/** Samples of one histogram or summary for one set of labels. */
function groupsOf(family: string, samples: readonly MetricSample[]): readonly Group[] {
  const groups = new Map<
    string,
    { labels: Map<string, string>; timeMs: number | undefined; values: [number, number][]; sum: number; count: number | undefined }
  >()
  for (const { name, labels, value, timeMs } of samples) {
    const rest = new Map([...labels].filter(([key]) => key !== 'le' && key !== 'quantile'))
    const key = JSON.stringify([...rest])
    const group = groups.get(key) ?? { labels: rest, timeMs, values: [], sum: 0, count: undefined }
    groups.set(key, group)
    const at = parseNumber(labels.get('le') ?? labels.get('quantile') ?? '')
    if (name === `${family}_sum`) group.sum = value
    else if (name === `${family}_count`) group.count = value
    else if (at !== undefined) group.values.push([at, value])
  }
  return [...groups.values()].map(({ labels, timeMs, values, sum, count }) => {
    const sorted = values.toSorted(([a], [b]) => a - b)
    return { labels, timeMs, values: sorted, sum, count: count ?? sorted.at(-1)?.[1] ?? 0 }
  })
}

function summaryData({ values, sum, count }: Group): object {
  return { count: whole(count), sum, quantileValues: values.map(([quantile, value]) => ({ quantile, value })) }
}

function histogramData({ values, sum, count }: Group): object {
  const bounded = values.filter(([bound]) => Number.isFinite(bound))
  // buckets of Prometheus count all below their bound
  const totals = [...bounded.map(([, total]) => whole(total)), whole(count)]
  const bucketCounts = totals.map((total, at) => Math.max(total - (totals[at - 1] ?? 0), 0))
  return { count: whole(count), sum, bucketCounts, explicitBounds: bounded.map(([bound]) => bound) }
}

interface PointOf {
  readonly context: ExportContext
  readonly kind: Kind
  readonly name: string
  readonly description: string
  readonly data: object
  /** How many numbers `data` holds, about. */
  readonly numbers: number
}

function point(from: Pick<MetricSample, 'labels' | 'timeMs'>, { context, kind, name, description, data, numbers }: PointOf): Point {
  const own: Record<string, string> = {}
  const scoped: Record<string, string> = {}
  let sizeBytes = pointBytes + numbers * numberBytes
  for (const [key, value] of from.labels) {
    sizeBytes += key.length + value.length + 8
    if (key.startsWith(scopePrefix)) scoped[key.slice(scopePrefix.length)] = value
    else own[key] = value
  }
  const { name: scopeName, version, schema_url: schemaUrl = '', ...attributes } = scoped
  const isScoped = Object.keys(scoped).length > 0
  const scope: Scope = {
    name: isScoped ? (scopeName ?? '') : ownScope,
    version: isScoped ? (version ?? '') : context.version,
    attributes: keyValues(attributes),
    schemaUrl,
  }
  for (const [key, value] of Object.entries(context.attributes)) sizeBytes += key.length + value.length + 8
  return {
    scope,
    scopeKey: isScoped ? JSON.stringify(scope) : '',
    name,
    kind,
    description,
    data: { ...data, timeUnixNano: nanos(from.timeMs ?? context.timeMs), attributes: keyValues({ ...own, ...context.attributes }) },
    sizeBytes,
  }
}

function headOf({ head }: MetricFamily, keyword: 'TYPE' | 'HELP'): string {
  const line = head.find((text) => new RegExp(`^#\\s+${keyword}\\s`).test(text))
  const rest = line === undefined ? '' : line.replace(/^#\s+\S+\s+\S+\s*/, '')
  return keyword === 'HELP' ? rest.replaceAll(/\\(n|\\)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter)) : rest.trim()
}

function keyValues(texts: Readonly<Record<string, string>>): readonly KeyValue[] {
  return Object.entries(texts).map(([key, stringValue]) => ({ key, value: { stringValue } }))
}

/** Counts are whole; what is no number counts nothing. */
function whole(value: number): number {
  return Number.isFinite(value) && value > 0 ? Math.round(value) : 0
}

/** Nanoseconds do not fit into a number. */
function nanos(ms: number): { readonly low: number; readonly high: number; readonly unsigned: true } {
  const value = BigInt(Math.max(Math.round(ms), 0)) * 1_000_000n
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: true }
}
