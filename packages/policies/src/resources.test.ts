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
  const ruled = checked.value === undefined ? [] : validateResource(kind, { mesh: 'm', name: 'x', labels: {}, spec: checked.value })
  const violations = [...checked.violations, ...ruled]
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
})

test('expressions that would keep a compiler or a proxy busy are refused with their place', () => {
  const bombs = ['((a{100}){100}){100}', '(a{1000}){1000}', 'a'.repeat(5000), '(?=a)b', String.raw`(a)\1`, '('.repeat(2000)]
  const message = 'must be a regular expression that proxies take: RE2, at most 4096 characters'
  const route = (matches: object): readonly string[] => {
    const rules = [{ matches: [matches], default: {} }]
    return refusals('MeshHTTPRoute', { to: [{ targetRef: { kind: 'MeshService', labels: { a: 'b' } }, rules }] })
  }
  const native = (regex: string): string => JSON.stringify({ name: 'x', domains: ['*'], routes: [{ match: { safeRegex: { regex } } }] })
  const patch = (modification: object): readonly string[] =>
    refusals('MeshProxyPatch', { default: { appendModifications: [{ virtualHost: { match: {}, ...modification } }] } })
  for (const value of bombs) {
    const started = process.cpuUsage()
    assert.deepEqual(route({ path: { type: 'RegularExpression', value } }), [`spec.to[0].rules[0].matches[0].path.value | ${message}`])
    assert.deepEqual(route({ headers: [{ type: 'RegularExpression', name: 'a', value }] }), [
      `spec.to[0].rules[0].matches[0].headers[0].value | ${message}`,
    ])
    assert.deepEqual(route({ queryParams: [{ type: 'RegularExpression', name: 'a', value }] }), [
      `spec.to[0].rules[0].matches[0].queryParams[0].value | ${message}`,
    ])
    for (const list of ['retriableRequestHeaders', 'retriableResponseHeaders']) {
      const http = { numRetries: 1, [list]: [{ type: 'RegularExpression', name: 'a', value }] }
      assert.deepEqual(refusals('MeshRetry', { to: [{ targetRef: { kind: 'Mesh' }, default: { http } }] }), [
        `spec.to[0].default.http.${list}[0].value | ${message}`,
      ])
    }
    const [found = ''] = patch({ operation: 'Add', value: native(value) })
    assert.match(
      found,
      /^spec\.default\.appendModifications\[0\]\.virtualHost\.value \| native Envoy resource is not valid: not a regular expression/,
    )
    const jsonPatches = [{ op: 'add', path: '/routes/0/match/safeRegex/regex', value }]
    assert.match(patch({ operation: 'Patch', jsonPatches })[0] ?? '', /jsonPatches\[0\]\.value \| not a regular expression/)
    assert.ok(process.cpuUsage(started).user < 2_000_000, `${value.slice(0, 40)}: microseconds of the processor`)
  }
  assert.deepEqual(route({ path: { type: 'RegularExpression', value: '/[a-z]{1,10}(/.*)?' } }), [])
})

test('a native Envoy resource is read within limits', () => {
  const add = (value: string): string =>
    refusals('MeshProxyPatch', { default: { appendModifications: [{ cluster: { operation: 'Add', value } }] } }).join('; ')
  const laughs = Array.from(
    { length: 12 },
    (_, i) => `l${i}: &l${i} [${i === 0 ? '"lol"' : Array.from({ length: 10 }, () => `*l${i - 1}`).join(',')}]`,
  )
  const at = /^spec\.default\.appendModifications\[0\]\.cluster\.value \| native Envoy resource is not valid: /
  for (const value of [
    laughs.join('\n'),
    'x'.repeat(300 * 1024),
    'a: [b',
    'nonsense: 1',
    'name: [1]',
    '[]',
    'a: 1\n---\nb: 2',
    '__proto__: 1',
  ])
    assert.match(add(value), at, value.slice(0, 40))
  assert.equal(add('name: x\nconnect_timeout: 1s'), '')
})

test('header values that proxies refuse are refused with their place', () => {
  const limited = (list: 'set' | 'add', value: string): readonly string[] => {
    const local = { http: { requestRate: { num: 1, interval: '1s' }, onRateLimit: { headers: { [list]: [{ name: 'a', value }] } } } }
    return refusals('MeshRateLimit', { targetRef: { kind: 'Dataplane' }, rules: [{ default: { local } }] })
  }
  const checked = (value: string): readonly string[] => {
    const http = { requestHeadersToAdd: { add: [{ name: 'a', value }] } }
    return refusals('MeshHealthCheck', { to: [{ targetRef: { kind: 'Mesh' }, default: { http } }] })
  }
  for (const value of ['x'.repeat(1024 * 1024), 'a\r\nb: c', 'a\0b']) {
    for (const list of ['set', 'add'] as const)
      assert.match(
        limited(list, value)[0] ?? '',
        new RegExp(`^spec\\.rules\\[0\\].default.local.http.onRateLimit.headers.${list}\\[0\\].value \\| `),
      )
    assert.match(checked(value)[0] ?? '', /^spec\.to\[0\]\.default\.http\.requestHeadersToAdd\.add\[0\]\.value \| /)
  }
  assert.deepEqual(limited('set', 'x'.repeat(16_384)), [])
})

test('an empty match and an unknown enum are refused with their place', () => {
  assert.deepEqual(refusals('MeshFaultInjection', { rules: [{ matches: [{}], default: { http: [] } }] }), [
    "spec.rules[0].matches[0] | must specify at least one of 'spiffeID' or 'sni'",
  ])
  const enums: readonly (readonly [string, object, string])[] = [
    ['MeshPassthrough', { default: { passthroughMode: 'Some' } }, 'spec.default.passthroughMode'],
    ['MeshPassthrough', { default: { appendMatch: [{ type: 'Host', value: 'a' }] } }, 'spec.default.appendMatch[0].type'],
    [
      'MeshLoadBalancingStrategy',
      { to: [{ targetRef: { kind: 'Mesh' }, default: { loadBalancer: { type: 'Best' } } }] },
      'spec.to[0].default.loadBalancer.type',
    ],
    [
      'MeshProxyPatch',
      { default: { appendModifications: [{ httpFilter: { operation: 'Add' } }] } },
      'spec.default.appendModifications[0].httpFilter.operation',
    ],
    ['MeshHealthCheck', { to: [{ targetRef: { kind: 'MeshSubset' }, default: { http: {} } }] }, 'spec.to[0].targetRef.kind'],
    ['MeshRateLimit', { targetRef: { kind: 'MeshGateway' }, to: [] }, 'spec.targetRef.kind'],
  ]
  for (const [type, spec, field] of enums)
    assert.ok(
      refusals(type, spec).some((text) => text.startsWith(`${field} | `)),
      `${type} ${field}`,
    )
})
