// Global and two zones over real gRPC on loopback.
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { federation, until } from './testing/federation.ts'

test('a zone is online at once and a policy written at global is stored in both zones', async () => {
  await using fed = await federation(['zone-1', 'zone-2'])
  await until(() => fed.global.server.zones().length === 2 && fed.zone('zone-1').client.connection().complete)
  assert.deepEqual(fed.global.store.list('Zone').map((zone) => zone.name), ['zone-1', 'zone-2'])
  await fed.global.put('Mesh', '', 'default', {})
  await fed.global.put('MeshTimeout', 'default', 'slow', { to: [] })
  await until(() => fed.zone('zone-1').store.list('MeshTimeout').length === 1 && fed.zone('zone-2').store.list('MeshTimeout').length === 1)
})
