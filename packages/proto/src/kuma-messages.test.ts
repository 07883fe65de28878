// Bytes of Kuma's messages: tag and value of fields as contract/kds.md and contract/dataplane.md number them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import protobuf from 'protobufjs'
import { codec, type MessageName, type Messages, serviceDefinition, syncRoot } from './index.ts'

/** Hex with `{...}` for a length and what it counts. */
function bytesOf(text: string): string {
  const inner = /\{([0-9a-f]*)\}/
  let hex = text.replaceAll(' ', '')
  for (let found = inner.exec(hex); found !== null; found = inner.exec(hex)) {
    const content = found[1] ?? ''
    hex = hex.replace(found[0], (content.length / 2).toString(16).padStart(2, '0') + content)
  }
  return hex
}

const a = '0161'
const facts: { readonly [K in MessageName]?: readonly (readonly [Messages[K], string])[] } = {
  'kuma.mesh.v1alpha1.KumaResource': [
    [{ meta: { name: 'a', mesh: 'b', labels: { k: 'v' } } }, '0a{0a0161 120162 32{0a016b 120176}}'],
    [{ spec: { typeUrl: 't', value: new Uint8Array([1]) }, status: { value: new Uint8Array([2]) } }, '12{0a0174 120101} 1a{120102}'],
  ],
  'kuma.mesh.v1alpha1.ZoneHealthCheckResponse': [[{ interval: { seconds: 2 } }, '0a{0802}']],
  'kuma.mesh.v1alpha1.XDSConfigRequest': [
    [{ requestId: 'r', resourceType: 't', resourceName: 'n', resourceMesh: 'm', includeEds: true }, '0a0172 120174 1a016e 22016d 2801'],
  ],
  'kuma.mesh.v1alpha1.XDSConfigResponse': [
    [{ requestId: 'r', error: 'e' }, '0a0172 120165'],
    [{ requestId: 'r', config: new Uint8Array([7]) }, '0a0172 1a0107'],
  ],
  'kuma.mesh.v1alpha1.StatsRequest': [[{ requestId: 'r', format: 1, usedOnly: true }, '0a0172 2801 3001']],
  'kuma.mesh.v1alpha1.StatsResponse': [[{ requestId: 'r', stats: new Uint8Array([7]) }, '0a0172 1a0107']],
  'kuma.mesh.v1alpha1.ClustersRequest': [[{ requestId: 'r', format: 1 }, '0a0172 2801']],
  'kuma.mesh.v1alpha1.ClustersResponse': [[{ requestId: 'r', clusters: new Uint8Array([7]) }, '0a0172 1a0107']],
  'kuma.mesh.v1alpha1.Mesh': [
    [{}, ''],
    [{ skipCreatingInitialPolicies: ['*'] }, '42012a'],
  ],
  'kuma.legacy.v2.Mesh': [[{ meshServices: { mode: 3 } }, '4a{0803}']],
  'kuma.system.v1alpha1.Secret': [[{ data: { value: new Uint8Array([9]) } }, '0a{0a0109}']],
  'kuma.system.v1alpha1.Config': [[{ config: 'c' }, '0a0163']],
  'kuma.system.v1alpha1.Zone': [[{ enabled: { value: true } }, '0a{0801}']],
  'kuma.mesh.v1alpha1.Dataplane': [
    [
      {
        networking: {
          address: 'a',
          inbound: [{ port: 80, servicePort: 81, health: { ready: true }, state: 1, name: 'n', protocol: 'p', serviceProbe: { tcp: {} } }],
        },
      },
      `0a{0a{1850 2051 3a{0801} 42{2a00} 4801 52016e 5a0170} 2a${a}}`,
    ],
    [
      { networking: { outbound: [{ address: 'a', port: 1, backendRef: { kind: 'k', name: 'n', port: 2, labels: { a: 'b' } } }] } },
      `0a{12{1a${a} 2001 32{0a016b 12016e 1802 22{0a${a} 120162}}}}`,
    ],
    [
      {
        networking: {
          gateway: { tags: { a: 'b' } },
          admin: { port: 3 },
          listeners: [{ type: 1, address: 'a', port: 2, name: 'n', state: 1 }],
        },
      },
      `0a{1a{0a{0a${a} 120162}} 42{0803} 4a{0801 12${a} 1802 22016e 2801}}`,
    ],
    [
      {
        networking: {
          transparentProxying: {
            redirectPortInbound: 1,
            redirectPortOutbound: 2,
            directAccessServices: ['*'],
            ipFamilyMode: 3,
            reachableBackends: { refs: [{ kind: 'k', name: 'n', namespace: 's', port: { value: 4 }, labels: { a: 'b' } }] },
          },
        },
      },
      `0a{22{0801 1002 1a012a 3003 3a{0a{0a016b 12016e 1a0173 22{0804} 2a{0a${a} 120162}}}}}`,
    ],
  ],
  'kuma.mesh.v1alpha1.DataplaneInsight': [
    [
      {
        subscriptions: [
          {
            id: 'i',
            controlPlaneInstanceId: 'c',
            status: { total: { responsesSent: 1 }, cds: {}, eds: {}, lds: {}, rds: {} },
            generation: 7,
          },
        ],
        mTLS: { certificateRegenerations: 1, issuedBackend: 'b', supportedBackends: ['s'] },
      },
      '0a{0a0169 120163 2a{12{0801} 1a00 2200 2a00 3200} 3807} 12{1801 220162 2a0173}',
    ],
    [
      { openTelemetry: { backends: [{ name: 'n', traces: { enabled: true, state: 's', blockedReasons: ['b'] } }] } },
      '22{0a{0a016e 12{0801 220173 3a0162}}}',
    ],
  ],
  'kuma.mesh.v1alpha1.Version': [
    [
      { kumaDp: { version: 'v', kumaCpCompatible: true }, envoy: { build: 'b' }, dependencies: { c: 'd' } },
      '0a{0a0176 2801} 12{120162} 1a{0a0163 120164}',
    ],
  ],
  'kuma.system.v1alpha1.ZoneInsight': [
    [
      {
        subscriptions: [
          {
            id: 'i',
            globalInstanceId: 'g',
            config: 'c',
            authTokenProvided: true,
            zoneInstanceId: 'z',
            status: { stat: { M: { responsesSent: 1 } } },
          },
        ],
        kdsStreams: { globalToZone: { globalInstanceId: 'g' }, zoneToGlobal: {} },
        healthCheck: { time: { seconds: 1 } },
      },
      '0a{0a0169 120167 2a{1a{0a014d 12{0801}}} 420163 4801 52017a} 1a{0a{0801}} 22{22{0a0167} 2a00}',
    ],
  ],
  'kuma.system.v1alpha1.Version': [[{ kumaCp: { version: 'v', kumaCpGlobalCompatible: true } }, '0a{0a0176 2801}']],
  'kuma.mesh.v1alpha1.ServiceInsight': [
    [
      {
        services: { s: { status: 3, dataplanes: { total: 1 }, issuedBackends: { b: 1 }, serviceType: 1, addressPort: 'a', zones: ['z'] } },
      },
      `12{0a0173 12{0803 12{0801} 1a{0a0162 1001} 2001 2a${a} 32017a}}`,
    ],
  ],
}

describe('Kuma messages', () => {
  it('have the field numbers of the contract', () => {
    for (const [name, cases] of Object.entries(facts)) {
      // the table is typed by message, which iteration forgets
      const { encode, decode } = codec(name as MessageName)
      for (const [value, hex] of cases as readonly (readonly [never, string])[]) {
        const bytes = Buffer.from(encode(value)).toString('hex')
        assert.equal(bytes, bytesOf(hex), name)
        assert.equal(Buffer.from(encode(decode(Buffer.from(bytes, 'hex')) as never)).toString('hex'), bytes)
      }
    }
  })

  it('are called in TypeScript as in JSON', () => {
    let fields = 0
    for (const [name, type] of syncRoot().types) {
      if (!name.startsWith('kuma.')) continue
      for (const field of type.fieldsArray) {
        assert.equal(field.name, field.jsonName, `${name}.${field.name}`)
        fields++
      }
    }
    assert.ok(fields > 150)
  })

  it('show 64-bit counters as strings and times as text', () => {
    const insight = codec('kuma.mesh.v1alpha1.DataplaneInsight')
    const json = {
      subscriptions: [
        {
          id: 'i',
          connectTime: '2026-01-02T03:04:05.600Z',
          status: { total: { responsesSent: '8' }, cds: {} },
          version: { kumaDp: { kumaCpCompatible: true } },
        },
      ],
      mTLS: { certificateExpirationTime: '2026-01-03T00:00:00Z' },
      metadata: { a: [1, 'b', null] },
    }
    assert.deepEqual(insight.toJson(insight.decode(insight.encode(insight.fromJson(json)))), json)
  })

  it('have services that pass bytes through', () => {
    const sync = serviceDefinition('kuma.mesh.v1alpha1.KDSSyncService')
    assert.deepEqual(
      Object.values(sync).map(({ path, requestStream, responseStream }) => [path, requestStream, responseStream]),
      [
        ['/kuma.mesh.v1alpha1.KDSSyncService/GlobalToZoneSync', true, true],
        ['/kuma.mesh.v1alpha1.KDSSyncService/ZoneToGlobalSync', true, true],
      ],
    )
    const admin = serviceDefinition('kuma.mesh.v1alpha1.GlobalKDSService')
    assert.deepEqual(Object.keys(admin), ['StreamXDSConfigs', 'StreamStats', 'StreamClusters', 'HealthCheck'])
    assert.equal(admin.HealthCheck.requestStream, false)
    const bytes = new Uint8Array([1, 2, 3]).subarray(1)
    assert.deepEqual([...admin.HealthCheck.requestSerialize(bytes)], [2, 3])
  })

  it('name their request and response as the contract does', () => {
    const method = syncRoot().services.get('kuma.mesh.v1alpha1.KDSSyncService')?.methods['ZoneToGlobalSync']
    assert.ok(method instanceof protobuf.Method)
    assert.equal(method.resolvedRequestType?.fullName, '.envoy.service.discovery.v3.DeltaDiscoveryResponse')
    assert.equal(method.resolvedResponseType?.fullName, '.envoy.service.discovery.v3.DeltaDiscoveryRequest')
  })
})
