// What is counted here is exposed as the library would have exposed it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Counter, Histogram, Registry } from 'prom-client'
import { createMetrics } from './index.ts'

const buckets = [0.1, 1, 10]
const linesOf = (text: string): readonly string[] => text.split('\n').toSorted()
const labels = fc.record({
  type: fc.constantFrom('a', 'b', 'weird "one"\\', ''),
  result: fc.constantFrom('ok', 'constructor', '__proto__'),
})
const event = fc.record({ labels, value: fc.oneof(fc.constantFrom(0, ...buckets), fc.double({ min: 0, max: 20, noNaN: true })) })

test('counters and histograms are those of the library', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 30 }), async (events) => {
      const metrics = createMetrics()
      const registers = [new Registry()]
      const labelNames = ['type', 'result']
      const ours = {
        counter: metrics.counter('c_total', 'C.', labelNames),
        plain: metrics.counter('p_total', 'P.'),
        histogram: metrics.histogram('h_seconds', 'H.', labelNames, buckets),
        whole: metrics.histogram('w_seconds', 'W.', [], buckets),
      }
      const theirs = {
        counter: new Counter({ name: 'c_total', help: 'C.', labelNames, registers }),
        plain: new Counter({ name: 'p_total', help: 'P.', registers }),
        histogram: new Histogram({ name: 'h_seconds', help: 'H.', labelNames, buckets, registers }),
        whole: new Histogram({ name: 'w_seconds', help: 'W.', buckets, registers }),
      }
      for (const each of events) {
        ours.counter.inc(each.labels, each.value)
        theirs.counter.inc(each.labels, each.value)
        ours.plain.inc()
        theirs.plain.inc()
        ours.histogram.observe(each.value, each.labels)
        theirs.histogram.observe(each.labels, each.value)
        ours.whole.observe(each.value)
        theirs.whole.observe(each.value)
      }
      const expected = linesOf((await registers[0]?.metrics()) ?? '')
      assert.deepEqual(linesOf((await metrics.expose()).text), expected)
      assert.deepEqual(linesOf((await metrics.expose()).text), expected, 'a second time the same')
    }),
    { numRuns: 100 },
  )
})

test('mistakes of callers are errors where they are made', () => {
  const metrics = createMetrics()
  const counter = metrics.counter('c_total', 'C.', ['type'])
  assert.throws(() => counter.inc({ kind: 'a' }), /no label is called kind, only type/)
  assert.throws(() => counter.inc({ type: 'a' }, -1), /c_total cannot be increased by -1/)
  assert.throws(() => counter.inc({ type: 'a' }, Number.NaN), /NaN/)
  assert.throws(() => metrics.histogram('h', 'H.').observe(Number.POSITIVE_INFINITY), /h cannot observe Infinity/)
})
