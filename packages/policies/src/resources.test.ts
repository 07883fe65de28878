import { checkSpec, createRegistry, validateResource } from '@weft/resources'
import { arbitraryFor, checkHostileInput, checkRecordedViolations, checkRoundTrips, type RecordedViolations } from '@weft/resources/testing'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { policyDescriptors } from './descriptors.ts'
import { matchViolations } from './match.ts'

const registry = createRegistry(policyDescriptors)

describe('every policy', () => {
  for (const kind of policyDescriptors) {
    test(`${kind.type} survives REST and KDS unchanged`, () => checkRoundTrips(kind, 30))
    test(`${kind.type} takes hostile input without breaking`, () => checkHostileInput(kind, 30))
    test(`${kind.type} has rules that never throw`, () => {
      fc.assert(
        fc.property(arbitraryFor(kind.spec, { proto: false }), (spec) => {
          validateResource(kind, { mesh: 'm', name: 'x', labels: {}, spec: checkSpec(kind, spec).value })
        }),
        { numRuns: 50 },
      )
    })
  }
})

test('the rules of every policy answer as the peer did', () => {
  const text = readFileSync(new URL('./cases/recorded-violations.json', import.meta.url), 'utf8')
  const cases: readonly RecordedViolations[] = JSON.parse(text)
  assert.ok(cases.length > 200)
  for (const recorded of cases) checkRecordedViolations(registry, recorded)
})

test('a prefix may stop at a segment, an exact id may not', () => {
  const check = (type: 'Exact' | 'Prefix', value: string): readonly string[] =>
    matchViolations({ spiffeID: { type, value } }, 'm').map((item) => item.message)
  assert.deepEqual(check('Prefix', 'spiffe://td/ns/'), [])
  assert.deepEqual(check('Exact', 'spiffe://td/ns/'), ['must be a valid Spiffe ID: path cannot have a trailing slash'])
  assert.deepEqual(check('Prefix', 'spiffe:///'), ['must be a valid Spiffe ID: trust domain is missing'])
})

test('a match without parts is refused where it would match nothing on the proxy', () => {
  assert.deepEqual(matchViolations({}, 'm'), [{ field: 'm', message: "must specify at least one of 'spiffeID' or 'sni'" }])
  assert.deepEqual(matchViolations({}, 'm', true), [])
})

test('durations are stored as the peers print them', () => {
  const kind = registry.get('MeshTimeout') ?? assert.fail()
  const { value } = checkSpec(kind, {
    to: [{ targetRef: { kind: 'Mesh' }, default: { idleTimeout: '3600s', http: { requestTimeout: '1500ms' } } }],
  })
  assert.deepEqual(value, { to: [{ targetRef: { kind: 'Mesh' }, default: { idleTimeout: '1h0m0s', http: { requestTimeout: '1.5s' } } }] })
})

/** What the API has against a spec, as `field | message`. */
function refusals(type: string, spec: unknown): readonly string[] {
  const kind = registry.get(type) ?? assert.fail()
  const checked = checkSpec(kind, spec)
  const violations = [...checked.violations, ...validateResource(kind, { mesh: 'm', name: 'x', labels: {}, spec: checked.value })]
  return violations.map(({ field, message }) => `${field} | ${message}`)
}

test('values that only proxies would refuse are refused by the API', () => {
  const faults = (http: object): readonly string[] => refusals('MeshFaultInjection', { rules: [{ default: { http: [http] } }] })
  assert.deepEqual(faults({ abort: { httpStatus: 101, percentage: 1 } }), [
    'spec.rules[0].default.http[0].abort.httpStatus | must be a final status: proxies answer with 200 to 599',
  ])
  assert.deepEqual(faults({ delay: { value: '0s', percentage: 1 } }), [
    'spec.rules[0].default.http[0].delay.value | must be greater than 0: a delay of nothing is no fault',
  ])
  assert.deepEqual(faults({ responseBandwidth: { limit: '0Mbps', percentage: 1 } }), [
    'spec.rules[0].default.http[0].responseBandwidth.limit | must be greater than 0',
  ])
  const limited = { local: { http: { requestRate: { num: 1, interval: '1s' }, onRateLimit: { status: 418 } } } }
  assert.deepEqual(refusals('MeshRateLimit', { targetRef: { kind: 'Dataplane' }, rules: [{ default: limited }] }), [
    'spec.rules[0].default.local.http.onRateLimit.status | must be a registered HTTP status: proxies refuse others',
  ])
  const balancer = { loadBalancer: { type: 'Maglev', maglev: { tableSize: 100 } } }
  assert.deepEqual(refusals('MeshLoadBalancingStrategy', { to: [{ targetRef: { kind: 'Mesh' }, default: balancer }] }), [
    'spec.to[0].default.loadBalancer.maglev.tableSize | must be a prime number: proxies refuse others',
  ])
})
