import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { codec } from '@weft/proto'
import { encodeListener } from '@weft/envoy'
import { traitsOf } from '../features.ts'
import { sampleFacts, sampleMetadata, sampleRedirect } from '../testing/sample-facts.ts'
import { dnsEntry, dynamicConfigListener } from './dynamic-config.ts'

const records = [
  { name: 'b.mesh', ips: ['241.0.0.2'] },
  { name: 'a.mesh', ips: ['241.0.255.1', 'fd00::1'] },
]

describe('the /dns answer', () => {
  test('records are sorted and carry mapped addresses when IPv6 is redirected', () => {
    const facts = sampleFacts('a', { dns: records, proxy: sampleMetadata({ transparentProxy: sampleRedirect }) })
    assert.deepEqual(JSON.parse(dnsEntry(facts, traitsOf(facts))?.body ?? ''), {
      records: [
        { name: 'a.mesh', ips: ['241.0.255.1', 'fd00::1', '::ffff:f100:ff01'] },
        { name: 'b.mesh', ips: ['241.0.0.2', '::ffff:f100:2'] },
      ],
      ttl: 30,
      extraLabels: { kuma_io_zone: 'zone-1', kuma_workload: 'a', mesh: 'default' },
    })
  })

  test('it exists without records where DNS is not redirected, and not at all without a DNS port', () => {
    const plain = sampleFacts('a', { dns: records, labels: { 'k8s.kuma.io/namespace': 'ns' } })
    const answer = JSON.parse(dnsEntry(plain, traitsOf(plain))?.body ?? '') as { records: unknown[]; extraLabels: Record<string, string> }
    assert.deepEqual(answer.records, [])
    assert.equal(answer.extraLabels['k8s_kuma_io_namespace'], 'ns')
    const off = sampleFacts('a', { proxy: sampleMetadata({ transparentProxy: { ...sampleRedirect, dnsEnabled: false } }), dns: records })
    assert.deepEqual((JSON.parse(dnsEntry(off, traitsOf(off))?.body ?? '') as { records: unknown[] }).records, [])
    const bound = (...features: string[]): number => {
      const proxy = sampleMetadata({ transparentProxy: sampleRedirect, features: ['feature-bind-outbounds', ...features] })
      const facts = sampleFacts('a', { proxy, dns: records })
      return (JSON.parse(dnsEntry(facts, traitsOf(facts))?.body ?? '') as { records: unknown[] }).records.length
    }
    assert.equal(bound(), 0, 'stock launchers with bound outbounds get none')
    assert.equal(bound('feature-weft-bound-names'), 2)
    const without = sampleFacts('a', { proxy: sampleMetadata({ dnsPort: 0 }) })
    assert.equal(dnsEntry(without, traitsOf(without)), undefined)
  })
})

describe('the listener', () => {
  test('two routes per entry: unchanged by ETag, then the answer with its ETag', () => {
    const facts = sampleFacts('a')
    const body = '{"x":"é"}'
    const draft = dynamicConfigListener(facts, [{ path: 'dns', body }])
    assert.ok(draft)
    const message = codec('envoy.config.listener.v3.Listener')
    const json = message.toJson(message.decode(encodeListener(draft))) as ListenerJson
    assert.deepEqual(json.address, { pipe: { path: '/run/proxy/kuma-mesh-metric-config.sock' } })
    const etag = createHash('sha256').update(body).digest('hex')
    const { routeConfig } = json.filterChains[0].filters[0].typedConfig
    assert.equal(routeConfig.maxDirectResponseBodySizeBytes, Buffer.byteLength(body))
    assert.deepEqual(routeConfig.virtualHosts[0].routes, [
      {
        name: 'system_dynamicconfig_dns_not_modified',
        match: { path: '/dns', headers: [{ name: 'If-None-Match', stringMatch: { exact: etag } }] },
        directResponse: { status: 304 },
      },
      {
        name: 'system_dynamicconfig_dns',
        match: { path: '/dns' },
        directResponse: { status: 200, body: { inlineString: body } },
        responseHeadersToAdd: [{ header: { key: 'Etag', value: etag } }],
      },
    ])
  })

  test('without entries there is none', () => {
    assert.equal(dynamicConfigListener(sampleFacts('a'), []), undefined)
  })
})

interface ListenerJson {
  readonly address: unknown
  readonly filterChains: readonly [{ readonly filters: readonly [{ readonly typedConfig: { readonly routeConfig: RouteConfigJson } }] }]
}
interface RouteConfigJson {
  readonly maxDirectResponseBodySizeBytes: number
  readonly virtualHosts: readonly [{ readonly routes: unknown }]
}
