import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer'
import { parseMetrics } from '../metric-text.ts'
import { exportRequests, type ExportContext } from './otlp-metrics.ts'
import { exportRequest } from './otlp-schema.ts'

const context: ExportContext = {
  resource: { 'service.name': 'client' },
  attributes: { 'kuma.workload': 'client', mesh: 'default' },
  timeMs: 1_700_000_000_123,
  version: '3.0.0',
}
const own = { scope: { name: 'kuma', version: '3.0.0' } }
const attribute = (key: string, stringValue: string): object => ({ key, value: { stringValue } })
const extra = [attribute('kuma.workload', 'client'), attribute('mesh', 'default')]
const time = '1700000000123000000'
const read = (bytes: Uint8Array): unknown => exportRequest.toObject(exportRequest.decode(bytes), { longs: String })

interface Request {
  readonly resourceMetrics: readonly {
    readonly resource: unknown
    readonly scopeMetrics: readonly { readonly scope: unknown; readonly metrics: readonly unknown[] }[]
  }[]
}

/** Metrics of the only request, by scope. */
function metricsOf(text: string): Request['resourceMetrics'][number]['scopeMetrics'] {
  const requests = [...exportRequests(parseMetrics(text), context)].map((bytes) => read(bytes) as Request)
  assert.equal(requests.length, 1)
  const [resource] = requests[0]?.resourceMetrics ?? []
  assert.deepEqual(resource?.resource, { attributes: [attribute('service.name', 'client')] })
  return resource?.scopeMetrics ?? []
}

describe('families as OTLP', () => {
  test('counters count from their start, gauges and what has no type are values; attributes of the proxy count over labels', () => {
    const text = `# HELP books Books\\nsold
# TYPE books counter
books{kind="novel",mesh="own"} 3
books{kind="atlas"} 4 1600000000000
# TYPE shelf gauge
shelf -1.5
loose 0
nonsense
`
    const novel = [attribute('kind', 'novel'), attribute('mesh', 'default'), attribute('kuma.workload', 'client')]
    assert.deepEqual(metricsOf(text), [
      {
        ...own,
        metrics: [
          {
            name: 'books',
            description: 'Books\nsold',
            sum: {
              aggregationTemporality: 2,
              isMonotonic: true,
              dataPoints: [
                { timeUnixNano: time, asDouble: 3, attributes: novel },
                { timeUnixNano: '1600000000000000000', asDouble: 4, attributes: [attribute('kind', 'atlas'), ...extra] },
              ],
            },
          },
          { name: 'shelf', gauge: { dataPoints: [{ timeUnixNano: time, asDouble: -1.5, attributes: extra }] } },
          { name: 'loose', gauge: { dataPoints: [{ timeUnixNano: time, asDouble: 0, attributes: extra }] } },
        ],
      },
    ])
  })

  test('histograms lose their running totals, summaries keep their quantiles; one data point for each set of labels', () => {
    const text = `# TYPE took histogram
took_bucket{to="a",le="0.5"} 1
took_bucket{to="a",le="1"} 4
took_bucket{to="a",le="+Inf"} 6
took_sum{to="a"} 3.5
took_count{to="a"} 6
took_bucket{to="b",le="1"} 0
took_bucket{to="b",le="+Inf"} 0
took_sum{to="b"} 0
took_count{to="b"} 0
# TYPE pause summary
pause{quantile="0.99"} 0.2
pause{quantile="0.5"} 0.1
pause_sum 9
pause_count 40
`
    const to = (name: string): object => ({ attributes: [attribute('to', name), ...extra], timeUnixNano: time })
    assert.deepEqual(metricsOf(text)[0]?.metrics, [
      {
        name: 'took',

        histogram: {
          aggregationTemporality: 2,
          dataPoints: [
            { ...to('a'), count: '6', sum: 3.5, bucketCounts: ['1', '3', '2'], explicitBounds: [0.5, 1] },
            { ...to('b'), sum: 0, bucketCounts: ['0', '0'], explicitBounds: [1] },
          ],
        },
      },
      {
        name: 'pause',

        summary: {
          dataPoints: [
            {
              timeUnixNano: time,
              attributes: extra,
              count: '40',
              sum: 9,
              quantileValues: [
                { quantile: 0.5, value: 0.1 },
                { quantile: 0.99, value: 0.2 },
              ],
            },
          ],
        },
      },
    ])
  })

  test('buckets that fall, counts that are none and missing parts cost their own metric at most', () => {
    const text = `# TYPE odd histogram
odd_bucket{le="1"} 5
odd_bucket{le="2"} 3
odd_bucket{le="x"} 9
odd_count NaN
`
    const [odd] = (metricsOf(text)[0]?.metrics ?? []) as readonly [{ readonly histogram: { readonly dataPoints: readonly object[] } }]
    assert.deepEqual(odd.histogram.dataPoints, [
      { timeUnixNano: time, attributes: extra, sum: 0, bucketCounts: ['5', '0', '0'], explicitBounds: [1, 2] },
    ])
  })

  test('labels that name a scope make it', () => {
    const text = `m{otel_scope_name="lib",otel_scope_version="1",otel_scope_schema_url="http://s",otel_scope_lang="go",a="b"} 1\nm 2\n`
    assert.deepEqual(
      metricsOf(text).map(({ scope, metrics }) => [scope, metrics.length]),
      [
        [{ name: 'lib', version: '1', attributes: [attribute('lang', 'go')] }, 1],
        [{ name: 'kuma', version: '3.0.0' }, 1],
      ],
    )
  })

  test('many data points go in requests that a collector takes, each once', () => {
    const lines = Array.from({ length: 20_000 }, (_, at) => `m{id="${at}",more="${'x'.repeat(40)}"} ${at}`)
    const ids: number[] = []
    let requests = 0
    for (const bytes of exportRequests(parseMetrics(lines.join('\n')), context)) {
      requests++
      assert.ok(bytes.length < 4 * 1024 * 1024, `${bytes.length} bytes`)
      const [only] = (read(bytes) as Request).resourceMetrics[0]?.scopeMetrics ?? []
      const [m] = (only?.metrics ?? []) as readonly { readonly gauge: { readonly dataPoints: readonly { readonly asDouble: number }[] } }[]
      for (const { asDouble } of m?.gauge.dataPoints ?? []) ids.push(asDouble)
    }
    assert.ok(requests > 1)
    assert.equal(ids.length, 20_000)
    assert.equal(new Set(ids).size, 20_000)
    assert.deepEqual([...exportRequests([], context)], [])
  })
})

test('the schema reads what the serializer of OpenTelemetry writes', () => {
  const seconds = [1_700_000_000, 123_000_000] as [number, number]
  const at = { startTime: [0, 0] as [number, number], endTime: seconds, attributes: { to: 'a' } }
  const descriptor = (name: string): { name: string; description: string; unit: string; valueType: number } => ({
    name,
    description: 'd',
    unit: 's',
    valueType: 1,
  })
  const bytes = ProtobufMetricsSerializer.serializeRequest({
    resource: { attributes: { 'service.name': 'client' }, merge: (other) => other ?? assert.fail(), getRawAttributes: () => [] },
    scopeMetrics: [
      {
        scope: { name: 'kuma', version: '3.0.0', schemaUrl: 'http://s' },
        metrics: [
          { descriptor: descriptor('g'), aggregationTemporality: 1, dataPointType: 2, dataPoints: [{ ...at, value: 1.5 }] },
          {
            descriptor: descriptor('c'),
            aggregationTemporality: 1,
            dataPointType: 3,
            isMonotonic: true,
            dataPoints: [{ ...at, value: 2.5 }],
          },
          {
            descriptor: descriptor('h'),
            aggregationTemporality: 1,
            dataPointType: 0,
            dataPoints: [{ ...at, value: { buckets: { boundaries: [0.5, 1], counts: [1, 3, 2] }, sum: 3.5, count: 6 } }],
          },
        ],
      },
    ],
  })
  assert.ok(bytes)
  const point = { timeUnixNano: time, attributes: [attribute('to', 'a')] }
  const plain = JSON.parse(JSON.stringify(read(bytes)), (key, value: unknown) =>
    key === 'startTimeUnixNano' ? undefined : value,
  ) as Request
  const head = (name: string): object => ({ name, description: 'd', unit: 's' })
  assert.deepEqual(plain.resourceMetrics[0]?.scopeMetrics[0]?.metrics, [
    { ...head('g'), gauge: { dataPoints: [{ ...point, asDouble: 1.5 }] } },
    { ...head('c'), sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...point, asDouble: 2.5 }] } },
    {
      ...head('h'),
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [{ ...point, count: '6', sum: 3.5, bucketCounts: ['1', '3', '2'], explicitBounds: [0.5, 1] }],
      },
    },
  ])
  assert.deepEqual(plain.resourceMetrics[0]?.resource, { attributes: [attribute('service.name', 'client')] })
  assert.equal((plain.resourceMetrics[0]?.scopeMetrics[0] as { readonly schemaUrl?: string } | undefined)?.schemaUrl, 'http://s')
})
