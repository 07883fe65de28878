import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseYamlDocuments } from '@weft/resources'
import { translate } from './translate.ts'

const files = `
type: Mesh
name: default
---
type: Dataplane
mesh: default
name: web
labels: {kuma.io/workload: web}
networking:
  address: 10.0.0.1
  inbound: [{port: 80, name: main, protocol: http}]
  outbound: [{port: 9000, backendRef: {kind: MeshService, name: api, port: 8080}}]
---
type: Dataplane
mesh: default
name: api-1
labels: {kuma.io/workload: api}
networking:
  address: 10.0.0.2
  inbound: [{port: 8080, name: http, protocol: http}]
---
type: MeshTimeout
mesh: default
name: slow
spec:
  to: [{targetRef: {kind: MeshService, labels: {kuma.io/display-name: api}}, default: {connectionTimeout: 7s}}]
---
type: MeshTimeout
mesh: default
name: wrong
spec:
  to: [{targetRef: {kind: Nothing}, default: {connectionTimeout: 7s}}]
---
type: Unheard
name: x
`

function documents(text: string) {
  return parseYamlDocuments(text).map(({ line, value }) => ({ source: `line ${line}`, value }))
}

void test('files become what a zone would serve, generated services included', async () => {
  await using translation = await translate({ documents: documents(files), zone: 'east' })
  assert.deepEqual(translation.dataplanes, ['default/api-1', 'default/web'])
  const clusters = translation.envoy('default/web')?.['type.googleapis.com/envoy.config.cluster.v3.Cluster'] ?? {}
  const cluster = JSON.stringify(clusters['kri_msvc_default_east__api_8080'])
  assert.match(cluster, /"connectTimeout":"7s"/)
  assert.ok(translation.resources().some((resource) => resource['type'] === 'MeshService' && resource['name'] === 'api'))
  const [outbound] = translation.facts('default/web')?.outbounds ?? []
  assert.equal(outbound?.port, 9000)
  assert.deepEqual(translation.problems('default/web'), [])
})

void test('documents that are no resources are named, and the others stand', async () => {
  await using translation = await translate({ documents: documents(files), zone: 'east' })
  assert.deepEqual(
    translation.refused.map(({ source, message }) => [source, message]),
    [
      ['line 28', 'MeshTimeout wrong is not valid'],
      ['line 34', 'unknown resource type "Unheard"'],
    ],
  )
  assert.equal(translation.refused[0]?.violations[0]?.field, 'spec.to[0].targetRef.kind')
})

void test('any node of the graph can be looked into', async () => {
  await using translation = await translate({ documents: documents(files), zone: 'east' })
  assert.deepEqual([...(translation.node('services')?.keys() ?? [])].sort(), ['default/api', 'default/web'])
  assert.equal(translation.node('nothing'), undefined)
  assert.ok(translation.graph().nodes.some((node) => node.name === 'proxyFacts'))
})

void test('dataplanes of another zone are not translated', async () => {
  await using translation = await translate({ documents: documents(files), zone: 'east' })
  await using elsewhere = await translate({
    documents: documents(files.replace('labels: {kuma.io/workload: web}', 'labels: {kuma.io/workload: web, kuma.io/zone: west}')),
    zone: 'east',
  })
  assert.equal(translation.rules('default/none'), undefined)
  assert.deepEqual(elsewhere.dataplanes, ['default/api-1'])
})
