import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillVariables, readDataplane } from './dataplane-resource.ts'

test('fills variables and names a missing one', () => {
  assert.equal(fillVariables('a: {{ x }}-{{x}}', new Map([['x', '1']])), 'a: 1-1')
  assert.throws(() => fillVariables('{{ y }}', new Map()), /--dataplane-var y=/)
})

test('takes YAML and JSON, refuses other types and alias bombs', async () => {
  const read = (dataplane: string): ReturnType<typeof readDataplane> =>
    readDataplane({ dataplane, dataplaneFile: undefined, variables: new Map() })
  assert.deepEqual(await read('type: Dataplane\nmesh: default\nname: web'), {
    mesh: 'default',
    name: 'web',
    json: '{"type":"Dataplane","mesh":"default","name":"web"}',
    isZoneProxy: false,
    redirectsDns: false,
  })
  await assert.rejects(read('type: Mesh'), /has type Mesh, not Dataplane/)
  await assert.rejects(read('[1]'), /not an object/)
  await assert.rejects(read('{{{'), /neither YAML nor JSON/)
  const bomb = `a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c,*c]\ntype: Dataplane`
  await assert.rejects(read(bomb), /neither YAML nor JSON/)
})

test('knows a proxy of zones from others, and one that says itself that it is redirected', async () => {
  const read = async (networking: object): Promise<readonly unknown[]> => {
    const dataplane = JSON.stringify({ type: 'Dataplane', mesh: 'default', name: 'web', networking })
    const given = await readDataplane({ dataplane, dataplaneFile: undefined, variables: new Map() })
    return [given?.isZoneProxy, given?.redirectsDns]
  }
  const listeners = [{ type: 'ZoneIngress', port: 10001 }]
  assert.deepEqual(await read({ listeners }), [true, false])
  assert.deepEqual(await read({ listeners, inbound: [{ port: 80 }] }), [false, false])
  assert.deepEqual(await read({ listeners, gateway: { type: 'DELEGATED' } }), [false, false])
  assert.deepEqual(await read({ inbound: [{ port: 80 }], transparentProxying: { redirectPortOutbound: 15001 } }), [false, true])
})
