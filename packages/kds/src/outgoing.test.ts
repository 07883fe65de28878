import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { createEncoder } from './outgoing.ts'
import { memberOf, memoryStore, registry } from './testing/federation.ts'

test('a value is packed once for each packing, until it is let go', async () => {
  const kind = registry.get('MeshTimeout')
  assert.ok(kind)
  const packed: string[] = []
  const encoder = createEncoder({
    log: silentLogger,
    map: (_, { name, mesh, labels, spec }, packing) => {
      packed.push(packing)
      return { name, mesh, labels, spec }
    },
  })
  const store = memoryStore()
  await memberOf(store).put('MeshTimeout', 'default', 'a', { to: [] })
  const resource = store.get({ type: 'MeshTimeout', mesh: 'default', name: 'a' })
  assert.ok(resource)
  const first = encoder.encode(kind, resource, 'plain')
  assert.ok(first)
  assert.equal(encoder.encode(kind, resource, 'plain'), first)
  encoder.encode(kind, resource, 'hashed')
  encoder.forget(resource)
  const again = encoder.encode(kind, resource, 'plain')
  assert.notEqual(again, first)
  assert.deepEqual(again, first)
  assert.deepEqual(packed, ['plain', 'hashed', 'plain'])
})
