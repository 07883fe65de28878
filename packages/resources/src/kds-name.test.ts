import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kdsName } from './kds-name.ts'

const vectors: readonly (readonly [mesh: string, name: string, labels: Readonly<Record<string, string>>, expected: string])[] = [
  ['default', 'default-timeout-global', {}, 'default-timeout-global-54dbd4c66zwbcf9c'],
  ['default', 'redis-zone-1', { 'kuma.io/zone': 'zone-1' }, 'redis-zone-1-2v6wfvvcvbc9f55d'],
  ['default', 'redis-zone-2', { 'kuma.io/zone': 'zone-2' }, 'redis-zone-2-ff29vc4685c6f594'],
  ['default', 'default-timeout-zone-1', { 'kuma.io/zone': 'zone-1' }, 'default-timeout-zone-1-c58w24w4vw27f454'],
  ['default', 'mesh-timeout-all-default', {}, 'mesh-timeout-all-default-bv8z44b7bzb99xc7'],
  ['', 'synced-universal-mesh-service', {}, 'synced-universal-mesh-service-46484vczc724vc29'],
  ['', 'local-mesh-external-service', { 'kuma.io/zone': 'zone-p' }, 'local-mesh-external-service-6b28bb78942469v4'],
  ['default', 'web', { 'kuma.io/zone': 'zone-b' }, 'web-d4974dwdwbz7bfx5'],
  ['default', 'backend', { 'kuma.io/zone': 'zone-1', 'k8s.kuma.io/namespace': 'ns' }, 'backend-74254xc9z29774d5'],
  ['', 'foo', { 'kuma.io/zone': 'zone-1', 'k8s.kuma.io/namespace': 'custom-ns' }, 'foo-696vzv497z4cv4f4'],
]

test('wire names equal the recorded ones', () => {
  for (const [mesh, name, labels, expected] of vectors) assert.equal(kdsName({ mesh, name, labels }), expected)
})

test('a renamed copy keeps its wire name, because the display name decides', () => {
  const labels = { 'kuma.io/display-name': 'web', 'kuma.io/zone': 'zone-b' }
  assert.equal(kdsName({ mesh: 'default', name: 'web-d4974dwdwbz7bfx5', labels }), 'web-d4974dwdwbz7bfx5')
})

test('a long name is cut so that the whole stays within 253', () => {
  const name = kdsName({ mesh: 'default', name: 'a'.repeat(253), labels: {} })
  assert.equal(name.length, 253)
  assert.ok(name.startsWith(`${'a'.repeat(236)}-`))
})
