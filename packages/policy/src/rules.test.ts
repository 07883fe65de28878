import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  catchAllConf,
  directRule,
  inboundRules,
  mergeConf,
  outboundRule,
  outboundRules,
  parseMatch,
  portTarget,
  proxyConf,
  routeTarget,
  toEntries,
} from './index.ts'
import { sampleDestination, samplePolicy } from './sample-policies.ts'

describe('inbound rules', () => {
  const exact = { spiffeID: { type: 'Exact', value: 'spiffe://a/b' } }
  const prefix = { spiffeID: { type: 'Prefix', value: 'spiffe://a' } }
  const sni = { sni: { type: 'Exact', value: 'x' } }

  it('makes one rule per match and puts the most specific first', () => {
    const policy = samplePolicy('p', {
      rules: [{ default: { n: 0 } }, { matches: [sni, prefix, exact, { ...exact, ...sni }], default: { n: 1 } }],
    })
    const rules = inboundRules([policy], 'http')
    assert.deepEqual(
      rules.map((rule) => rule.match),
      [{ ...exact, ...sni }, exact, prefix, sni, undefined],
    )
    assert.deepEqual(catchAllConf(rules), { n: 0 })
  })

  it('takes only policies that select the section, weakest first', () => {
    const all = samplePolicy('all', { rules: [{ default: { a: 1, b: 1 } }] })
    const one = samplePolicy('one', { targetRef: { kind: 'Dataplane', sectionName: 'http' }, rules: [{ default: { b: 2 } }] })
    assert.deepEqual(catchAllConf(inboundRules([one, all], 'http')), { a: 1, b: 2 })
    assert.deepEqual(catchAllConf(inboundRules([one, all], '8080')), { a: 1, b: 1 })
    assert.deepEqual(
      inboundRules([one, all], 'http').map((rule) => [rule.policy.name, rule.index]),
      [
        ['all', 0],
        ['one', 0],
      ],
    )
  })

  it('takes an empty match for all traffic, and drops a match it cannot read', () => {
    const policy = samplePolicy('p', { rules: [{ matches: [{}, { spiffeID: { type: 'Regex', value: 'x' } }, 7], default: { n: 1 } }] })
    assert.deepEqual(
      inboundRules([policy], 'http').map((rule) => rule.match),
      [undefined],
    )
    assert.equal(parseMatch({ sni: { type: 'Exact' } }), undefined)
    assert.deepEqual(parseMatch({}), {})
  })

  it('never throws on any stored spec', () => {
    fc.assert(
      fc.property(
        fc.anything(),
        (rules) =>
          void inboundRules(
            [samplePolicy('p', { rules }), samplePolicy('q', { rules: [rules, { matches: [rules], default: {} }] })],
            'http',
          ),
      ),
    )
  })
})

describe('outbound rules', () => {
  const http = sampleDestination()
  const admin = sampleDestination({ portName: 'admin', port: 9000 })
  const route = samplePolicy('route', {}, { 'kuma.io/display-name': 'route' })
  const item = (targetRef: object, conf: object) => ({ targetRef, default: conf })
  const backend = { kind: 'MeshService', labels: { 'kuma.io/display-name': 'backend' } }
  const policy = samplePolicy('p', {
    to: [
      item({ ...backend, sectionName: 'admin' }, { c: 3 }),
      item({ kind: 'Mesh' }, { a: 1, b: 1 }),
      item(backend, { b: 2 }),
      item({ kind: 'MeshHTTPRoute', labels: { 'kuma.io/display-name': 'route' } }, { r: 4 }),
    ],
  })
  const entries = toEntries([policy])

  it('merges mesh, service and port from broad to narrow', () => {
    assert.deepEqual(outboundRule(entries, { kind: 'Mesh' })?.conf, { a: 1, b: 1 })
    assert.deepEqual(outboundRule(entries, portTarget(http))?.conf, { a: 1, b: 2 })
    assert.deepEqual(outboundRule(entries, portTarget(admin))?.conf, { a: 1, b: 2, c: 3 })
    assert.deepEqual(outboundRule(entries, portTarget(sampleDestination({ name: 'other' })))?.conf, { a: 1, b: 1 })
  })

  it('gives a route the mesh and its own entries only', () => {
    assert.deepEqual(directRule(entries, routeTarget(route))?.conf, { a: 1, b: 1, r: 4 })
    assert.equal(directRule(entries, routeTarget(samplePolicy('x', {}))), undefined)
  })

  it('remembers where a conf comes from, weakest first', () => {
    assert.deepEqual(
      outboundRule(entries, portTarget(admin))?.entries.map((entry) => entry.index),
      [1, 2, 0],
    )
  })

  it('ignores sections for external services', () => {
    const external = sampleDestination({ kind: 'MeshExternalService', labels: { team: 'x' } })
    const rule = outboundRule(
      toEntries([samplePolicy('p', { to: [item({ kind: 'MeshExternalService', labels: { team: 'x' } }, { a: 1 })] })]),
      portTarget(external),
    )
    assert.deepEqual(rule?.conf, { a: 1 })
  })

  it('never selects services by a reference without labels', () => {
    assert.equal(
      outboundRule(toEntries([samplePolicy('p', { to: [item({ kind: 'MeshService' }, { a: 1 })] })]), portTarget(http)),
      undefined,
    )
  })

  it('lists a rule for each target that an entry names', () => {
    const candidates = [
      { target: { kind: 'Mesh' } as const, of: 'mesh' },
      { target: { ...portTarget(http), section: undefined }, of: 'backend' },
      { target: portTarget(admin), of: 'backend#admin' },
      { target: portTarget(http), of: 'backend#http' },
    ]
    assert.deepEqual(
      outboundRules([policy], candidates).map((rule) => rule.target),
      ['mesh', 'backend', 'backend#admin'],
    )
  })

  it('equals a merge of the relevant confs in their order', () => {
    const conf = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.integer(), { maxKeys: 3 })
    const ref = fc.constantFrom({ kind: 'Mesh' }, backend, { ...backend, sectionName: 'http' }, { ...backend, sectionName: 'admin' })
    fc.assert(
      fc.property(fc.array(fc.tuple(ref, conf), { maxLength: 6 }), (items) => {
        const sorted = toEntries([samplePolicy('p', { to: items.map(([targetRef, value]) => item(targetRef, value)) })])
        const relevant = sorted.filter((entry) => entry.ref.sectionName !== 'admin').map((entry) => items[entry.index]?.[1])
        assert.deepEqual(outboundRule(sorted, portTarget(http))?.conf, mergeConf(relevant))
      }),
    )
  })
})

describe('conf of a whole proxy', () => {
  it('merges all defaults', () => {
    assert.deepEqual(
      proxyConf([samplePolicy('a', { default: { x: 1, y: 1 } }), samplePolicy('b', {}), samplePolicy('c', { default: { y: 2 } })]),
      { x: 1, y: 2 },
    )
    assert.equal(proxyConf([]), undefined)
  })
})
