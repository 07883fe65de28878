import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { parseNodeId, proxyMetadata, readNode } from './node-metadata.ts'
import { nodeOf } from './testing/server-fixture.ts'

describe('parseNodeId', () => {
  it('splits at the first dot', () => {
    assert.deepEqual(parseNodeId('default.web-1.ns'), { mesh: 'default', name: 'web-1.ns' })
  })
  for (const id of ['', 'default', '.web', 'default.', 'a/b.c', `m.${'x'.repeat(600)}`]) {
    it(`refuses ${JSON.stringify(id.slice(0, 20))}`, () =>
      assert.throws(
        () => parseNodeId(id),
        (error) => hasCode(error, 'xds/bad-request'),
      ))
  }
})

describe('proxyMetadata', () => {
  it('reads what a launcher announces', () => {
    const raw = {
      features: ['feature-reuse-port', 'feature-bind-outbounds', 'feature-reuse-port', 5],
      workdir: '/w',
      ipv6Enabled: false,
      systemCaPath: '/ca',
      metricsCertPath: '',
      metricsKeyPath: '',
      hostIp: '',
      otelEnv: undefined,
      'dataplane.admin.port': '9912',
      'dataplane.admin.address': '127.0.0.1',
      'dataplane.admin.socketPath': '/w/kuma-envoy-admin.sock',
      'dataplane.dns.port': '25053',
      'dataplane.readinessReporter.port': '9795',
      transparentProxy: {
        ipFamilyMode: 'ipv4',
        redirect: {
          dns: { enabled: true, port: 25053 },
          inbound: { enabled: true, port: 25006 },
          outbound: { enabled: true, port: 25001 },
          vnet: { networks: [] },
        },
      },
    }
    assert.deepEqual(proxyMetadata(raw), {
      features: ['feature-bind-outbounds', 'feature-reuse-port'],
      workdir: '/w',
      adminAddress: '127.0.0.1',
      adminPort: 9912,
      adminSocketPath: '/w/kuma-envoy-admin.sock',
      readinessPort: 9795,
      dnsPort: 25053,
      ipv6Enabled: false,
      systemCaPath: '/ca',
      metricsCertPath: '',
      metricsKeyPath: '',
      hostIp: '',
      otelEnv: undefined,
      transparentProxy: { inboundPort: 25006, outboundPort: 25001, ipv4: true, ipv6: false, dnsEnabled: true },
    })
  })

  it('has defaults for what is missing or of a wrong type', () => {
    const raw = {
      features: 'x',
      ipv6Enabled: 'no',
      'dataplane.admin.port': '99999999999',
      transparentProxy: { redirect: { inbound: { enabled: false, port: 1 } } },
    }
    const expected = {
      features: [],
      workdir: '',
      adminAddress: '127.0.0.1',
      adminPort: 0,
      adminSocketPath: undefined,
      readinessPort: 0,
      dnsPort: 0,
      ipv6Enabled: true,
      systemCaPath: '',
      metricsCertPath: '',
      metricsKeyPath: '',
      hostIp: '',
      otelEnv: undefined,
      transparentProxy: undefined,
    }
    assert.deepEqual(proxyMetadata(raw), expected)
    assert.deepEqual(proxyMetadata({}), expected)
  })

  it('takes redirection from the Dataplane of a launcher that does not announce it', () => {
    const transparentProxying = { redirectPortInbound: 15006, redirectPortOutbound: 15001, ipFamilyMode: 'IPv6' } as const
    assert.deepEqual(proxyMetadata({}, { networking: { transparentProxying } }).transparentProxy, {
      inboundPort: 15006,
      outboundPort: 15001,
      ipv4: false,
      ipv6: true,
      dnsEnabled: true,
    })
  })
})

describe('readNode', () => {
  it('reads a proxy without a Dataplane of its own', () => {
    const hello = readNode({ id: 'default.pod.ns' })
    assert.deepEqual([hello.key, hello.document], ['default/pod.ns', undefined])
  })
  it('refuses metadata beyond all measure', () => {
    assert.throws(
      () => readNode(nodeOf('a', { junk: 'x'.repeat(600_000) })),
      (error) => hasCode(error, 'xds/bad-request'),
    )
  })
})
