import assert from 'node:assert/strict'
import { it } from 'node:test'
import { codec, contentHash } from '@weft/proto'
import { createCell, unwatchCell, watchCell } from './cell.ts'
import { encodeResource } from './encode-resource.ts'
import { typeUrls } from './type-urls.ts'

const listener = codec('envoy.config.listener.v3.Listener')
const at = (portValue: number) => ({ socketAddress: { address: '127.0.0.1', portValue } })

it('frames a resource as a field of the response', () => {
  const message = codec('envoy.config.cluster.v3.Cluster').encode({ name: 'a' })
  const { frame, version, name, needs } = encodeResource('cluster', 'a', message, { endpoints: ['a'] })
  const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').decode(frame)
  const resource = response.resources?.[0]
  assert.deepEqual([name, version, needs], ['a', contentHash(message), { endpoints: ['a'] }])
  assert.deepEqual([resource?.name, resource?.version, resource?.resource?.typeUrl], ['a', version, typeUrls.cluster])
  assert.deepEqual(Buffer.from(resource?.resource?.value ?? []), Buffer.from(message))
})

it('tells listeners on the same address', () => {
  const address = (name: string, port: number): string | undefined =>
    encodeResource('listener', name, listener.encode({ name, address: at(port), statPrefix: 'x', bindToPort: { value: true } })).address
  assert.equal(address('a', 80), address('b', 80))
  assert.notEqual(address('a', 80), address('a', 81))
  assert.equal(encodeResource('listener', 'n', listener.encode({ name: 'n' })).address, undefined)
  assert.equal(encodeResource('listener', 'n', new Uint8Array([0xff, 0xff, 0xff])).address, undefined)
})

it('tells watchers of a cell about changes only', () => {
  const cell = createCell('cluster', 'a')
  let changes = 0
  const watcher = { cellChanged: () => void changes++ }
  watchCell(cell, watcher)
  watchCell(cell, watcher)
  const resource = encodeResource('cluster', 'a', new Uint8Array([1]))
  cell.set(resource)
  cell.set({ ...resource })
  assert.deepEqual([changes, cell.current], [1, resource])
  cell.set(undefined)
  assert.equal(changes, 2)
  unwatchCell(cell, watcher)
  cell.set(resource)
  assert.equal(changes, 2)
})
