import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codec } from '@weft/proto'
import { typed } from './any.ts'
import { bindSource, edsCluster, explicitHttp, originalDstCluster, staticCluster } from './cluster.ts'
import type { HttpFilterDraft, HttpFilterSlot } from './drafts.ts'
import { encodeCluster, encodeListener, orderFilters } from './encode.ts'
import { filterChain, grpcStatsFilter, httpDraft, listenerDraft, routerFilter, tcpDraft } from './listener.ts'
import { clusterEndpoints, clusterSecrets, clustersOf, listenerSecrets } from './references.ts'
import { routeTo } from './routes.ts'
import { encodeCertificateSecret, encodeTrustBundleSecret } from './secret.ts'
import { downstreamTls, upstreamTls } from './tls.ts'
import { socketAddress, sortedKeys, stringStruct, tagsMetadata } from './values.ts'

const tls = { identitySecret: 'id', trustSecret: 'trust' }

function clusterJson(bytes: Uint8Array): unknown {
  const message = codec('envoy.config.cluster.v3.Cluster')
  return message.toJson(message.decode(bytes))
}

function listenerJson(bytes: Uint8Array): unknown {
  const message = codec('envoy.config.listener.v3.Listener')
  return message.toJson(message.decode(bytes))
}

function filter(slot: HttpFilterSlot, name: string): HttpFilterDraft {
  return { slot, name, config: typed('envoy.extensions.filters.http.router.v3.Router', {}) }
}

describe('clusters', () => {
  test('an EDS cluster with TLS and HTTP/2', () => {
    const cluster = edsCluster('c')
    cluster.httpProtocolOptions = explicitHttp(2)
    cluster.tls = upstreamTls({ ...tls, sni: 's', spiffeIds: ['spiffe://td/w'] })
    assert.deepEqual(clusterJson(encodeCluster(cluster)), {
      name: 'c',
      type: 'EDS',
      edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 'V3' } },
      connectTimeout: '5s',
      circuitBreakers: { thresholds: [{ trackRemaining: true }] },
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicitHttpConfig: { http2ProtocolOptions: {} },
        },
      },
      transportSocket: {
        name: 'envoy.transport_sockets.tls',
        typedConfig: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
          sni: 's',
          commonTlsContext: {
            alpnProtocols: ['kuma'],
            tlsCertificateSdsSecretConfigs: [{ name: 'id', sdsConfig: { ads: {}, resourceApiVersion: 'V3' } }],
            combinedValidationContext: {
              defaultValidationContext: { matchTypedSubjectAltNames: [{ sanType: 'URI', matcher: { exact: 'spiffe://td/w' } }] },
              validationContextSdsSecretConfig: { name: 'trust', sdsConfig: { ads: {}, resourceApiVersion: 'V3' } },
            },
          },
        },
      },
    })
    assert.equal(clusterEndpoints(cluster), 'c')
    assert.deepEqual(clusterSecrets(cluster), ['id', 'trust'])
  })

  test('static and original destination clusters need nobody', () => {
    for (const cluster of [staticCluster('s', [socketAddress('10.0.0.1', 1)]), originalDstCluster('o')]) {
      assert.equal(clusterEndpoints(cluster), undefined)
      assert.deepEqual(clusterSecrets(cluster), [])
    }
  })

  test('a name that statistics cannot carry gets an alternative', () => {
    assert.equal(edsCluster('kri_msvc_a').config.altStatName, undefined)
    assert.equal(edsCluster('a.b:c').config.altStatName, 'a_b_c')
  })

  test('the order of edits does not show in the bytes', () => {
    const make = (keys: readonly string[]): Uint8Array => {
      const cluster = originalDstCluster('c')
      bindSource(cluster, '127.0.0.6')
      cluster.config.metadata = { filterMetadata: Object.fromEntries(keys.map((key) => [key, stringStruct({ [key]: '1' })])) }
      return encodeCluster(cluster)
    }
    assert.deepEqual(make(['b', 'a', 'c']), make(['c', 'b', 'a']))
  })
})

describe('listeners', () => {
  test('HTTP filters go by slot, then by insertion, and the router is last', () => {
    const drafts = [
      routerFilter,
      filter('custom', 'late'),
      filter('lua', 'b'),
      filter('rbac', 'first'),
      filter('lua', 'a'),
      grpcStatsFilter,
    ]
    assert.deepEqual(
      orderFilters(drafts).map((draft) => draft.name),
      ['first', 'b', 'a', 'envoy.filters.http.grpc_stats', 'late', 'envoy.filters.http.router'],
    )
  })

  test('a listener with TCP and HTTP chains', () => {
    const listener = listenerDraft({
      name: 'l',
      address: socketAddress('10.0.0.1', 15),
      direction: 'inbound',
      bindToPort: false,
      reusePort: false,
      statPrefix: true,
    })
    listener.config.metadata = tagsMetadata({ b: '2', a: '1' })
    listener.tlsInspector = true
    listener.chains.push(filterChain(tcpDraft('l.1', 'c1'), { match: { transportProtocol: 'raw_buffer' } }))
    const http = httpDraft({ statPrefix: 'l', virtualHost: 'v', routes: [routeTo({ prefix: '/', cluster: 'c2', timeoutSeconds: 0 })] })
    listener.chains.push(filterChain(http, { tls: downstreamTls({ ...tls, trustDomains: ['td'] }) }))
    assert.deepEqual(listenerJson(encodeListener(listener)), {
      name: 'l',
      address: { socketAddress: { address: '10.0.0.1', portValue: 15 } },
      filterChains: [
        {
          filterChainMatch: { transportProtocol: 'raw_buffer' },
          filters: [
            {
              name: 'envoy.filters.network.tcp_proxy',
              typedConfig: {
                '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
                statPrefix: 'l_1',
                cluster: 'c1',
              },
            },
          ],
        },
        {
          filters: [
            {
              name: 'envoy.filters.network.http_connection_manager',
              typedConfig: {
                '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                statPrefix: 'l',
                routeConfig: {
                  validateClusters: false,
                  virtualHosts: [
                    { name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'c2', timeout: '0s' } }] },
                  ],
                },
                httpFilters: [
                  {
                    name: 'envoy.filters.http.router',
                    typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
                  },
                ],
              },
            },
          ],
          transportSocket: {
            name: 'envoy.transport_sockets.tls',
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
              requireClientCertificate: true,
              commonTlsContext: {
                tlsCertificateSdsSecretConfigs: [{ name: 'id', sdsConfig: { ads: {}, resourceApiVersion: 'V3' } }],
                combinedValidationContext: {
                  defaultValidationContext: { matchTypedSubjectAltNames: [{ sanType: 'URI', matcher: { prefix: 'spiffe://td/' } }] },
                  validationContextSdsSecretConfig: { name: 'trust', sdsConfig: { ads: {}, resourceApiVersion: 'V3' } },
                },
              },
            },
          },
        },
      ],
      listenerFilters: [
        {
          name: 'envoy.filters.listener.tls_inspector',
          typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
        },
      ],
      metadata: { filterMetadata: { 'io.kuma.tags': { a: '1', b: '2' } } },
      trafficDirection: 'INBOUND',
      bindToPort: false,
      enableReusePort: false,
      statPrefix: 'l',
    })
    assert.deepEqual(clustersOf(listener), ['c1', 'c2'])
    assert.deepEqual(listenerSecrets(listener), ['id', 'trust'])
  })

  test('clusters of splits and mirrors count as needed', () => {
    const listener = listenerDraft({
      name: 'l',
      address: socketAddress('1.1.1.1', 1),
      direction: 'outbound',
      bindToPort: true,
      statPrefix: true,
    })
    const route = routeTo({ prefix: '/', cluster: 'a' })
    route.route = {
      weightedClusters: {
        clusters: [
          { name: 'a', weight: { value: 1 } },
          { name: 'b', weight: { value: 2 } },
        ],
      },
      requestMirrorPolicies: [{ cluster: 'm' }],
    }
    listener.chains.push(filterChain(httpDraft({ statPrefix: 'l', virtualHost: 'v', routes: [route] })))
    const tcp = tcpDraft('l', 'a')
    delete tcp.config.cluster
    tcp.config.weightedClusters = {
      clusters: [
        { name: 'b', weight: 1 },
        { name: 'c', weight: 1 },
      ],
    }
    listener.chains.push(filterChain(tcp))
    assert.deepEqual(clustersOf(listener), ['a', 'b', 'm', 'c'])
  })

  test('an unknown message type is refused, not encoded as nothing', () => {
    const listener = listenerDraft({
      name: 'l',
      address: socketAddress('1.1.1.1', 1),
      direction: 'inbound',
      bindToPort: true,
      statPrefix: false,
    })
    listener.chains.push(filterChain(tcpDraft('l', 'c'), { networkFilters: [{ name: 'x', config: { type: 'no.such.Type', value: {} } }] }))
    assert.throws(() => encodeListener(listener), /no\.such\.Type/)
  })
})

describe('secrets and values', () => {
  test('certificate and trust bundle', () => {
    const message = codec('envoy.extensions.transport_sockets.tls.v3.Secret')
    assert.deepEqual(message.toJson(message.decode(encodeCertificateSecret({ name: 'id', certChainPem: 'c', keyPem: 'k' }))), {
      name: 'id',
      tlsCertificate: { certificateChain: { inlineBytes: 'Yw==' }, privateKey: { inlineBytes: 'aw==' } },
    })
    assert.deepEqual(message.toJson(message.decode(encodeTrustBundleSecret([{ name: 'td', pem: 'p' }]))), {
      name: 'system_trust_bundle',
      validationContext: {
        customValidatorConfig: {
          name: 'envoy.tls.cert_validator.spiffe',
          typedConfig: {
            '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
            trustDomains: [{ name: 'td', trustBundle: { inlineBytes: 'cA==' } }],
          },
        },
      },
    })
  })

  test('records with hostile keys are sorted and kept', () => {
    const record = JSON.parse('{"b":1,"__proto__":2,"a":3}') as Record<string, number>
    assert.deepEqual(Object.keys(sortedKeys(record)), ['__proto__', 'a', 'b'])
    const sorted = { a: 1, b: 2 }
    assert.equal(sortedKeys(sorted), sorted)
    assert.deepEqual(Object.keys(stringStruct({ constructor: 'x', a: 'y' }).fields ?? {}), ['a', 'constructor'])
  })
})
