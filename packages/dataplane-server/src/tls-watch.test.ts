import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createCell, encodeResource, type ProxySnapshot, type ResourceCell, type XdsType } from '@weft/xds'
import { createTlsWatch } from './tls-watch.ts'

const kri = 'kri_mid_default_east__mid1_'

function cell(type: XdsType, name: string, text: string, secrets: readonly string[] = []): ResourceCell {
  const made = createCell(type, name)
  made.set(encodeResource(type, name, Buffer.from(text), secrets.length > 0 ? { secrets } : {}))
  return made
}

it('tells once, when certificate and every listener that presents it are acknowledged as they are', () => {
  const told: string[] = []
  const acked = new Map<string, string>()
  const watch = createTlsWatch({ ackedVersion: (type, name) => acked.get(`${type} ${name}`) }, (of) => told.push(of))
  const [a, b, plain] = [
    cell('listener', 'a', '1', [kri, 'system_trust_bundle']),
    cell('listener', 'b', '1', [kri]),
    cell('listener', 'plain', '1'),
  ]
  const secret = cell('secret', kri, 's')
  const snapshot = (...listeners: ResourceCell[]): ProxySnapshot => ({
    cluster: new Map(),
    endpoint: new Map(),
    listener: new Map(listeners.map((each) => [each.name, each])),
    secret: new Map([[kri, secret]]),
  })
  const ack = (each: ResourceCell): void => {
    acked.set(`${each.type} ${each.name}`, each.current?.version ?? '')
    watch.acknowledged()
  }
  watch.acknowledged()
  watch.assigned(snapshot(plain))
  ack(secret)
  ack(plain)
  assert.deepEqual(told, [], 'nothing presents it')
  watch.assigned(snapshot(a, b, plain))
  ack(a)
  acked.set('listener b', 'another version')
  watch.acknowledged()
  assert.deepEqual(told, [])
  ack(b)
  ack(a)
  assert.deepEqual(told, [kri])
})
