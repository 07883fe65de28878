// Which deletions need no approval.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Labels, Resource } from '@weft/resources'
import { explainFromGlobal, explainFromZone } from './explained-deletions.ts'
import { memberOf, memoryStore } from './testing/federation.ts'

const mine = { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east' }

async function scene() {
  const store = memoryStore()
  const { put, remove } = memberOf(store)
  await put('Mesh', '', 'default', {})
  const explain = explainFromZone(store)
  const isExplained = (type: string, name: string, mesh = 'default'): boolean => {
    const stored = store.get({ type, mesh, name })
    assert.ok(stored, `${type} ${name}`)
    return explain(stored, 'live')
  }
  return { put, remove, isExplained }
}

test('a dataplane may go when its proxy left in order, with its insight', async () => {
  const { put, isExplained } = await scene()
  await put('Dataplane', 'default', 'a', {}, mine)
  assert.equal(isExplained('Dataplane', 'a'), true, 'it never had a proxy')
  await put('DataplaneInsight', 'default', 'a', { subscriptions: [{ id: '1', disconnectTime: '2026-01-01T00:00:00Z' }, { id: '2' }] }, mine)
  assert.deepEqual([isExplained('Dataplane', 'a'), isExplained('DataplaneInsight', 'a')], [false, false])
  await put('DataplaneInsight', 'default', 'a', { subscriptions: [{ id: '2', disconnectTime: '2026-01-01T00:00:01Z' }] }, mine)
  assert.deepEqual([isExplained('Dataplane', 'a'), isExplained('DataplaneInsight', 'a')], [true, true])
})

test('workloads and generated services may go when no dataplane is left for them', async () => {
  const { put, remove, isExplained } = await scene()
  await put('Dataplane', 'default', 'a', {}, { ...mine, 'kuma.io/workload': 'web', app: 'web' })
  await put('Workload', 'default', 'web-hash', {}, { ...mine, 'kuma.io/display-name': 'web' })
  const selector = { dataplaneLabels: { matchLabels: { app: 'web' } } }
  const generated = { ...mine, 'kuma.io/managed-by': 'meshservice-generator' }
  await put('MeshService', 'default', 'web', { ports: [], selector }, generated)
  await put('MeshService', 'default', 'by-hand', { ports: [], selector: { dataplaneLabels: { matchLabels: { app: 'none' } } } }, mine)
  assert.deepEqual([isExplained('Workload', 'web-hash'), isExplained('MeshService', 'web')], [false, false])
  await remove('Dataplane', 'default', 'a')
  await put('Dataplane', 'default', 'a', {}, { ...mine, 'kuma.io/zone': 'west', 'kuma.io/workload': 'web', app: 'web' })
  assert.deepEqual([isExplained('Workload', 'web-hash'), isExplained('MeshService', 'web')], [true, true])
  assert.equal(isExplained('MeshService', 'by-hand'), false)
})

test('what belonged to a mesh that is gone may go', async () => {
  const { put, remove, isExplained } = await scene()
  await put('MeshTimeout', 'default', 'a', {}, mine)
  assert.equal(isExplained('MeshTimeout', 'a'), false)
  await remove('Mesh', '', 'default')
  assert.equal(isExplained('MeshTimeout', 'a'), true)
})

test('at a zone: a mesh deleted before its eyes, and what an own global passes on of other zones', () => {
  const stored = (mesh: string, labels: Labels): Resource => ({
    type: 'MeshService',
    mesh,
    name: 'a',
    labels,
    spec: {},
    version: 1,
    creationTime: '',
    modificationTime: '',
  })
  const explain = (peer: 'own' | 'stock') =>
    explainFromGlobal({ zone: 'east', isOwnPeer: () => peer === 'own', deletedMeshes: new Set(['old']) })
  const west = { 'kuma.io/zone': 'west' }
  assert.equal(explain('stock')(stored('old', {}), 'list'), true)
  assert.equal(explain('own')(stored('default', west), 'live'), true)
  assert.equal(explain('own')(stored('default', west), 'list'), false)
  assert.equal(explain('stock')(stored('default', west), 'live'), false)
  assert.equal(explain('own')(stored('default', {}), 'live'), false)
})
