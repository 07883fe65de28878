import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  encodeCluster,
  encodeListener,
  edsCluster,
  explicitHttp,
  filterChain,
  httpDraft,
  listenerDraft,
  socketAddress,
  staticCluster,
  tcpDraft,
} from '@weft/envoy'
import type { Protocol } from '@weft/facts'
import { destinationLookup } from '@weft/policy'
import fc from 'fast-check'
import { effectiveInbound, effectiveOutbound, effectiveZoneListener, plugins } from './index.ts'
import { caseDestination, policySetOf } from './policy-cases.ts'
import { caseOwner } from './policy-case-owner.ts'

const none = destinationLookup([])
const backend = caseDestination({ name: 'backend' })
const inbound = {
  section: 'http',
  protocol: 'http',
  address: '127.0.0.1',
  port: 80,
  workloadAddress: '127.0.0.1',
  workloadPort: 8080,
} as const
const toMesh = (conf: object) => ({ to: [{ targetRef: { kind: 'Mesh' }, default: conf }] })
const timeout = (name: string, conf: object) => ({ type: 'MeshTimeout', name, spec: toMesh(conf) })

describe('identity of effective confs', () => {
  it('is one object for one policy set and destination', () => {
    const set = policySetOf([timeout('a', { idleTimeout: '1s' })])
    assert.equal(effectiveOutbound(set, backend, none), effectiveOutbound(set, backend, none))
    assert.equal(effectiveInbound(set, inbound), effectiveInbound(set, inbound))
  })

  it('is one object for equal content from different sets, destinations and inbounds', () => {
    const a = effectiveOutbound(policySetOf([timeout('a', { idleTimeout: '1s' })]), backend, none)
    const b = effectiveOutbound(
      policySetOf([timeout('b', { idleTimeout: '1s' })]),
      caseDestination({ name: 'other' }),
      destinationLookup([]),
    )
    assert.equal(a, b)
    assert.equal(effectiveInbound(policySetOf([]), inbound), effectiveInbound(policySetOf([timeout('x', {})]), { ...inbound, port: 81 }))
    const listener = { section: 'ze', kind: 'ZoneEgress', address: '127.0.0.1', port: 1 } as const
    assert.equal(effectiveZoneListener(policySetOf([]), listener), effectiveZoneListener(policySetOf([]), { ...listener, port: 2 }))
  })

  it('differs with content', () => {
    const a = effectiveOutbound(policySetOf([timeout('a', { idleTimeout: '1s' })]), backend, none)
    assert.notEqual(a, effectiveOutbound(policySetOf([timeout('a', { idleTimeout: '2s' })]), backend, none))
  })

  it('follows the destinations that routes lead to', () => {
    const refs = [{ kind: 'MeshService', labels: { 'kuma.io/display-name': 'v2' }, port: 80 }]
    const rules = [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }], default: { backendRefs: refs } }]
    const set = policySetOf([
      {
        type: 'MeshHTTPRoute',
        name: 'r',
        spec: { to: [{ targetRef: { kind: 'MeshService', labels: { 'kuma.io/display-name': 'backend' } }, rules }] },
      },
    ])
    const without = effectiveOutbound(set, backend, none)
    assert.deepEqual(without.extraDestinations, [])
    assert.equal(without.ownCluster, false)
    const v2 = caseDestination({ name: 'v2' })
    const found = effectiveOutbound(set, backend, destinationLookup([v2]))
    assert.deepEqual(found.extraDestinations, [{ name: v2.id, destination: v2 }])
    const newer = { ...v2, port: 80, spiffeIds: [] }
    assert.notEqual(effectiveOutbound(set, backend, destinationLookup([newer])), found, 'a changed destination is a changed conf')
    assert.equal(effectiveOutbound(set, backend, none), without)
  })
})

describe('work that sets and destinations share', () => {
  /** A policy that counts how often its `to` is read. */
  const counted = (name: string, reads: { count: number }) => {
    const spec = toMesh({ idleTimeout: '1s' })
    return {
      type: 'MeshTimeout',
      name,
      spec: {
        get to() {
          reads.count++
          return spec.to
        },
      },
    }
  }

  it('reads the policies of a kind once for all destinations and for all sets that agree on the kind', () => {
    const reads = { count: 0 }
    const [shared] = policySetOf([counted('a', reads)]).byType.get('MeshTimeout') ?? []
    assert.ok(shared)
    const sets = [1, 2, 3].map((id) => ({
      id,
      byType: new Map([
        ['MeshTimeout', [shared]],
        ...policySetOf([{ type: 'MeshRetry', name: `r${id}`, spec: toMesh({ http: { numRetries: id } }) }]).byType,
      ]),
    }))
    const destinations = Array.from({ length: 50 }, (_, index) => caseDestination({ name: `svc-${index}` }))
    const confs = sets.map((set) => new Set(destinations.map((destination) => effectiveOutbound(set, destination, none))))
    assert.deepEqual(
      confs.map(({ size }) => size),
      [1, 1, 1],
    )
    const timeouts = new Set(confs.flatMap((of) => [...of].map(({ byType }) => byType['MeshTimeout'])))
    assert.equal(timeouts.size, 1, 'one object for all')
    assert.ok(reads.count <= 2 * sets.length, `the list was read ${reads.count} times`)
  })

  it('keeps what an edit of the other part leaves: listeners by a timeout of connections, clusters by a retry', () => {
    const withConf = (type: string, conf: object) =>
      effectiveOutbound(policySetOf([{ type, name: 'a', spec: toMesh(conf) }]), backend, none)
    const [a, b] = [withConf('MeshTimeout', { connectionTimeout: '1s' }), withConf('MeshTimeout', { connectionTimeout: '2s' })]
    assert.notEqual(a.forCluster, b.forCluster)
    assert.equal(a.forListener, b.forListener)
    const [c, d] = [withConf('MeshRetry', { http: { numRetries: 1 } }), withConf('MeshRetry', { http: { numRetries: 2 } })]
    assert.equal(c.forCluster, d.forCluster)
    assert.notEqual(c.forListener, d.forListener)
    const e = withConf('MeshTimeout', { http: { requestTimeout: '7s' } })
    assert.notEqual(a.forListener, e.forListener)
  })

  it('keeps destinations apart that entries name, and the protocols', () => {
    const named = { targetRef: { kind: 'MeshService', labels: { 'kuma.io/display-name': 'backend' } }, default: { idleTimeout: '9s' } }
    const set = policySetOf([{ type: 'MeshTimeout', name: 'a', spec: { to: [...toMesh({ idleTimeout: '1s' }).to, named] } }])
    const idle = (destination: Parameters<typeof effectiveOutbound>[1]): boolean =>
      JSON.stringify(effectiveOutbound(set, destination, none).byType['MeshTimeout']).includes('9000')
    assert.deepEqual([idle(backend), idle(caseDestination({ name: 'other' }))], [true, false])
    const tcp = effectiveOutbound(set, caseDestination({ name: 'other', protocol: 'tcp' }), none)
    assert.equal(tcp.listener, 'tcp')
  })
})

describe('failures stay where they are', () => {
  const deep = (depth: number): unknown => {
    let value: unknown = { x: 1 }
    for (let i = 0; i < depth; i++) value = { x: value }
    return value
  }

  it('reports the policy type that failed and keeps the others', () => {
    const set = policySetOf([
      { type: 'MeshTimeout', name: 'bad', spec: { to: [{ targetRef: { kind: 'Mesh' }, default: deep(200_000) }] } },
      { type: 'MeshRetry', name: 'good', spec: toMesh({ http: { numRetries: 7 } }) },
    ])
    const conf = effectiveOutbound(set, backend, none)
    assert.deepEqual(
      conf.problems.map((problem) => problem.type),
      ['MeshTimeout'],
    )
    assert.ok(JSON.stringify(conf.byType['MeshRetry']).includes('"numRetries":7'))
  })

  it('serves the destination itself when a route cannot be computed', () => {
    const set = policySetOf([
      { type: 'MeshHTTPRoute', name: 'bad', spec: { to: [{ targetRef: { kind: 'Mesh' }, rules: [{ matches: [deep(200_000)] }] }] } },
    ])
    const conf = effectiveOutbound(set, backend, none)
    assert.equal(conf.listener, 'http')
    assert.equal(conf.routes.length, 1)
    assert.deepEqual(
      conf.problems.map((problem) => problem.type),
      ['MeshHTTPRoute'],
    )
  })

  it('skips unknown policy types', () => {
    assert.deepEqual(effectiveInbound(policySetOf([{ type: 'constructor', name: 'a', spec: {} }]), inbound).problems, [])
  })
})

describe('any stored spec', () => {
  const word = fc.constantFrom(
    'Mesh',
    'MeshService',
    'Exact',
    'Prefix',
    'PathPrefix',
    'Strict',
    'Permissive',
    'RequestMirror',
    'URLRewrite',
    '5xx',
    '1s',
    '0s',
    '-3h',
    '/',
    '',
    '%',
    '__proto__',
  )
  const leaf = fc.oneof(word, fc.integer({ min: -1, max: 5_000_000_000 }), fc.boolean(), fc.constant(null), fc.double())
  const key = fc.constantFrom(
    'targetRef',
    'kind',
    'labels',
    'sectionName',
    'default',
    'rules',
    'to',
    'matches',
    'spiffeID',
    'sni',
    'type',
    'value',
    'http',
    'grpc',
    'tcp',
    'path',
    'headers',
    'name',
    'backendRefs',
    'filters',
    'weight',
    'port',
    'requestMirror',
    'urlRewrite',
    'allow',
    'deny',
    'mode',
    'tlsVersion',
    'connectionLimits',
    'maxRetries',
    'outlierDetection',
    'detectors',
    'idleTimeout',
    'requestTimeout',
    'numRetries',
    'backOff',
    'baseInterval',
    'retryOn',
    'hostSelection',
    'predicate',
    'constructor',
    '__proto__',
  )
  const tree = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      leaf,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    ),
  })).value
  const rule = fc.record({ default: tree, matches: fc.oneof(tree, fc.array(tree, { maxLength: 2 })) }, { requiredKeys: [] })
  const item = fc.record({
    targetRef: fc.constantFrom<unknown>({ kind: 'Mesh' }, { kind: 'MeshService', labels: {} }),
    default: tree,
    rules: fc.array(rule, { maxLength: 2 }),
  })
  const spec = fc.oneof(tree, fc.record({ rules: fc.array(rule, { maxLength: 3 }), to: fc.array(item, { maxLength: 3 }) }))
  const types = ['MeshHTTPRoute', 'MeshTCPRoute', 'MeshTLS', 'MeshTimeout', 'MeshTrafficPermission', 'MeshCircuitBreaker', 'MeshRetry']
  const policies = fc.array(fc.record({ type: fc.constantFrom(...types), name: fc.constantFrom('a', 'b'), spec }), { maxLength: 4 })
  const protocol = fc.constantFrom<Protocol>('tcp', 'http', 'http2', 'grpc')
  const identity = { secret: 's', trustSecret: 't', trustDomains: ['td'] }

  it('gives a conf and drafts that encode', () => {
    fc.assert(
      fc.property(policies, protocol, (list, speaks) => {
        const set = policySetOf(list)
        const destination = caseDestination({ name: 'backend', protocol: speaks })
        const out = effectiveOutbound(set, destination, destinationLookup([destination]))
        const into = effectiveInbound(set, { ...inbound, protocol: speaks })
        assert.deepEqual([...out.problems, ...into.problems], [])
        const terminal = () => (speaks === 'tcp' ? tcpDraft('x', 'x') : httpDraft({ statPrefix: 'x', virtualHost: 'x', routes: [] }))
        const draft = () => ({
          ...listenerDraft({
            name: 'x',
            address: socketAddress('127.0.0.1', 1),
            direction: 'inbound',
            bindToPort: true,
            statPrefix: false,
          }),
          chains: [filterChain(terminal())],
        })
        const cluster = { ...edsCluster('x'), httpProtocolOptions: explicitHttp(2) }
        const inCluster = staticCluster('x', [])
        const [listener, inListener] = [draft(), draft()]
        const owner = caseOwner()
        for (const plugin of plugins) {
          plugin.outboundCluster?.({ destination, cluster, clientTags: undefined }, out.forCluster.byType[plugin.type])
          plugin.outboundListener?.(
            { name: 'x', destination, routes: out.routes, tcpSplits: out.tcpSplits, listener },
            out.forListener.byType[plugin.type],
            plugin.share?.(owner, out.byType[plugin.type], undefined),
          )
          plugin.inbound?.(
            { owner, section: 'http', named: true, protocol: speaks, identity, listener: inListener, cluster: inCluster },
            into.byType[plugin.type],
          )
        }
        // what the parts leave out makes no difference
        const [whole, wholeListener] = [{ ...edsCluster('x'), httpProtocolOptions: explicitHttp(2) }, draft()]
        for (const plugin of plugins) {
          const mine = out.byType[plugin.type]
          plugin.outboundCluster?.({ destination, cluster: whole, clientTags: undefined }, mine)
          const view = { name: 'x', destination, routes: out.routes, tcpSplits: out.tcpSplits, listener: wholeListener }
          plugin.outboundListener?.(view, mine, plugin.share?.(owner, mine, undefined))
        }
        assert.deepEqual([cluster, listener], [whole, wholeListener])
        for (const made of [cluster, inCluster]) encodeCluster(made)
        for (const made of [listener, inListener]) encodeListener(made)
      }),
      { numRuns: 150 },
    )
  })
})
