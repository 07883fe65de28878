import {
  coreDescriptors,
  createRegistry,
  isJsonKind,
  isReadOnly,
  isSentToGlobal,
  isSentToZones,
  isSharedAcrossZones,
  syncBits,
} from '@weft/resources'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policyDescriptors } from './descriptors.ts'

// type, scope, bits, wire spec, hashed name, status, REST paths, short (contract/kds.md section 7.1)
const recorded = `
Config|Global|25|kuma.system.v1alpha1.Config|no|-|-|-
Dataplane|Mesh|12|kuma.mesh.v1alpha1.Dataplane|yes|-|dataplanes|dp
DataplaneInsight|Mesh|12|kuma.mesh.v1alpha1.DataplaneInsight|yes|-|dataplane-insights|-
GlobalSecret|Global|25|kuma.system.v1alpha1.Secret|no|-|globalsecrets,global-secrets|-
HostnameGenerator|Global|29|json|yes|-|hostnamegenerators|hg
Mesh|Global|17|kuma.mesh.v1alpha1.Mesh|no|-|meshes|m
MeshAccessLog|Mesh|61|json|yes|Y|meshaccesslogs|mal
MeshCircuitBreaker|Mesh|61|json|yes|-|meshcircuitbreakers|mcb
MeshExternalService|Mesh|29|json|yes|Y|meshexternalservices|extsvc
MeshFaultInjection|Mesh|61|json|yes|-|meshfaultinjections|mfi
MeshHTTPRoute|Mesh|61|json|yes|-|meshhttproutes|mhttpr
MeshHealthCheck|Mesh|61|json|yes|-|meshhealthchecks|mhc
MeshIdentity|Mesh|29|json|yes|Y|meshidentities|mid
MeshInsight|Global|16|kuma.mesh.v1alpha1.MeshInsight|yes|-|mesh-insights|-
MeshLoadBalancingStrategy|Mesh|61|json|yes|-|meshloadbalancingstrategies|mlbs
MeshMetric|Mesh|61|json|yes|Y|meshmetrics|mm
MeshMultiZoneService|Mesh|17|json|yes|Y|meshmultizoneservices|mzsvc
MeshOpenTelemetryBackend|Mesh|29|json|yes|Y|meshopentelemetrybackends|motb
MeshPassthrough|Mesh|61|json|yes|-|meshpassthroughs|mp
MeshProxyPatch|Mesh|61|json|yes|-|meshproxypatches|mpp
MeshRateLimit|Mesh|61|json|yes|-|meshratelimits|mrl
MeshRetry|Mesh|61|json|yes|-|meshretries|mr
MeshService|Mesh|44|json|yes|Y|meshservices|msvc
MeshTCPRoute|Mesh|61|json|yes|-|meshtcproutes|mtcpr
MeshTLS|Mesh|61|json|yes|-|meshtlses|mtls
MeshTimeout|Mesh|61|json|yes|-|meshtimeouts|mt
MeshTrace|Mesh|61|json|yes|Y|meshtraces|mtr
MeshTrafficPermission|Mesh|61|json|yes|-|meshtrafficpermissions|mtp
MeshTrust|Mesh|29|json|yes|Y|meshtrusts|mtrust
MeshZoneAddress|Mesh|44|json|yes|-|meshzoneaddresses|mza
Secret|Mesh|25|kuma.system.v1alpha1.Secret|no|-|secrets|-
ServiceInsight|Mesh|17|kuma.mesh.v1alpha1.ServiceInsight|yes|-|service-insights|-
Workload|Mesh|12|json|yes|Y|workloads|wl
Zone|Global|24|kuma.system.v1alpha1.Zone|yes|-|zones|z
ZoneInsight|Global|24|kuma.system.v1alpha1.ZoneInsight|yes|-|zone-insights|-
`
  .trim()
  .split('\n')

const registry = createRegistry([...coreDescriptors, ...policyDescriptors])

test('the descriptors are those of the peer', () => {
  const ours = registry.all.map((kind) =>
    [
      kind.type,
      kind.scope,
      syncBits(kind),
      kind.wire.spec,
      kind.hashedName ? 'yes' : 'no',
      kind.status === undefined ? '-' : 'Y',
      kind.rest === undefined ? '-' : [kind.rest.path, ...(kind.rest.aliases ?? [])].join(','),
      kind.short ?? '-',
    ].join('|'),
  )
  assert.deepEqual(ours, recorded)
})

test('global and zones subscribe to the recorded numbers of kinds', () => {
  assert.equal(registry.all.filter(isSentToZones).length, 29)
  assert.equal(registry.all.filter(isSentToGlobal).length, 26)
  assert.deepEqual(
    registry.all.filter((kind) => isSharedAcrossZones(kind) && kind.policy === undefined).map((kind) => kind.type),
    ['MeshService', 'MeshZoneAddress'],
  )
})

test('policies run in the recorded order and say which lists they have', () => {
  const facets = policyDescriptors.map(
    ({ type, policy }) =>
      `${policy?.order} ${type} ${policy?.to ? 'to' : '-'} ${policy?.rules ? 'rules' : '-'} ${policy?.single ? 'single' : '-'}`,
  )
  assert.deepEqual(facets, [
    '100 MeshHTTPRoute to - -',
    '200 MeshTCPRoute to - -',
    '300 MeshTLS - rules -',
    '400 MeshLoadBalancingStrategy to - -',
    '500 MeshPassthrough - - single',
    '600 MeshAccessLog to rules -',
    '700 MeshTrace - - single',
    '800 MeshFaultInjection to rules -',
    '900 MeshRateLimit to rules -',
    '1000 MeshTimeout to rules -',
    '1100 MeshTrafficPermission - rules -',
    '1200 MeshHealthCheck to - -',
    '1300 MeshCircuitBreaker to rules -',
    '1400 MeshRetry to - -',
    '1500 MeshMetric - - single',
    '9999 MeshProxyPatch - - single',
  ])
  assert.ok(policyDescriptors.every(isJsonKind))
})

test('who may write a kind follows from its plan', () => {
  const readOnly = (mode: 'global' | 'zone', federated: boolean): readonly string[] =>
    registry.all.filter((kind) => isReadOnly(kind, mode, federated)).map((kind) => kind.type)
  const insights = ['Config', 'DataplaneInsight', 'MeshInsight', 'ServiceInsight', 'ZoneInsight']
  assert.deepEqual(readOnly('zone', false), insights)
  assert.deepEqual(readOnly('global', false), [...insights, 'Dataplane', 'MeshService', 'MeshZoneAddress', 'Workload'].sort())
  assert.deepEqual(readOnly('zone', true), [...insights, 'Mesh', 'MeshMultiZoneService'].sort())
})

test('lookups find kinds by every name and nothing by hostile ones', () => {
  assert.equal(registry.byPath('global-secrets')?.type, 'GlobalSecret')
  assert.equal(registry.byShort('mhttpr')?.type, 'MeshHTTPRoute')
  assert.equal(registry.byCliName('MeshTLSes')?.type, 'MeshTLS')
  for (const name of ['__proto__', 'constructor', 'toString', '']) {
    for (const found of [registry.get(name), registry.byPath(name), registry.byShort(name), registry.byCliName(name)])
      assert.equal(found, undefined)
  }
})
