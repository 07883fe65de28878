import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forget, meets, note, observed, removedNamesKept, reportOf } from './fleet-report.ts'
import type { HeldResource } from './delta-messages.ts'
import { type ReceivedResponse, SimulatedProxy } from './simulated-proxy.ts'
import type { SimulatedType } from './envoy-resource.ts'

const references = { endpoint: [], secret: [], route: [] }

function response(
  type: SimulatedType,
  held: Readonly<Record<string, Partial<HeldResource>>>,
  change: Partial<ReceivedResponse> = {},
): ReceivedResponse {
  const resources = new Map(
    Object.entries(held).map(([name, item]) => [name, { references, version: '1', connectTimeoutMs: 0, preferredEndpoints: 0, ...item }]),
  )
  return { type, at: 0, resources, removed: [], bytes: 0, isRefused: false, ...change }
}

function proxy(): SimulatedProxy {
  return new SimulatedProxy({ address: '127.0.0.1:1', token: '', node: { id: 'default.a', cluster: 'a', metadata: {} } })
}

test('an expectation is met by what it names and nothing else', () => {
  const edit = { connectTimeoutMs: 3001 }
  assert.equal(meets(edit, response('cluster', { a: { connectTimeoutMs: 3000 }, b: { connectTimeoutMs: 3001 } })), true)
  assert.equal(meets(edit, response('cluster', { a: { connectTimeoutMs: 3000 } })), false)
  assert.equal(meets(edit, response('endpoint', { a: { connectTimeoutMs: 3001 } })), false)

  const service = { cluster: '_probe-1_' }
  assert.equal(meets(service, response('cluster', { 'kri_msvc_default_zone-1__probe-1_main': {} })), true)
  assert.equal(meets(service, response('cluster', { 'kri_msvc_default_zone-1__probe-10_main': {} })), false)

  const drained = { loadAssignment: 'probe-0', preferredEndpoints: 0 }
  assert.equal(meets(drained, response('endpoint', { 'kri_mzsvc_default___probe-0_main': { preferredEndpoints: 0 } })), true)
  assert.equal(meets(drained, response('endpoint', { 'kri_mzsvc_default___probe-0_main': { preferredEndpoints: 1 } })), false)
  assert.equal(meets(drained, response('endpoint', { other: {} })), false)

  for (const type of ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const)
    assert.equal(meets({}, response(type, { a: {} })), false)
})

test('a report sums what was noted since the mark, and times the first response that met the expectation', () => {
  const expected = { connectTimeoutMs: 5 }
  const all = [observed(proxy(), false), observed(proxy(), false), observed(proxy(), true)]
  const [first, second, third] = all
  assert.ok(first && second && third)
  note(first, response('cluster', { a: { connectTimeoutMs: 5 } }, { at: 110, bytes: 30 }), expected)
  note(first, response('cluster', { a: { connectTimeoutMs: 5 } }, { at: 150, bytes: 30 }), expected)
  note(second, response('endpoint', { a: {}, b: {} }, { at: 130, removed: ['x', 'y'], isRefused: true }), expected)
  note(third, response('cluster', { a: { connectTimeoutMs: 5 } }, { at: 190 }), expected)
  const report = reportOf(all, { mark: 100, lastResponse: 190 })
  assert.deepEqual(report.counts, { responses: 4, resources: 5, removed: 2, bytes: 60, nacks: 1 })
  assert.deepEqual(report.countsByType.endpoint, { responses: 1, resources: 2, removed: 2, bytes: 0, nacks: 1 })
  assert.deepEqual(report.removedNames, { x: 1, y: 1 })
  assert.deepEqual(report.reached, { count: 1, min: 10, p50: 10, p90: 10, p99: 10, max: 10 })
  assert.equal(report.lastResponse, 90)
  assert.deepEqual([report.proxies, report.connected, report.ready.count, report.complete.count], [3, 0, 0, 0])
  assert.deepEqual(report.errors, { 'closed: ': 3 })

  for (const seen of all) forget(seen)
  const after = reportOf(all, { mark: 200, lastResponse: undefined })
  assert.deepEqual([after.counts.responses, after.counts.removed, after.reached.count, after.lastResponse], [0, 0, 0, 0])
})

test('names of what was removed are kept in bounds, and names of object members are names', () => {
  const seen = observed(proxy(), false)
  const many = ['__proto__', 'constructor', ...Array.from({ length: 100 }, (_, index) => `n${index}`)]
  note(seen, response('cluster', {}, { removed: many }), {})
  const { removedNames, counts } = reportOf([seen], { mark: 0, lastResponse: 0 })
  assert.equal(counts.removed, 102)
  assert.equal(Object.keys(removedNames).length, removedNamesKept)
  assert.equal(Object.hasOwn(removedNames, '__proto__'), true)
})
