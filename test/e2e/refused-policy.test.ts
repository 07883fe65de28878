// A policy that Envoy refuses, with a real Envoy: traffic goes on, the policy is named with Envoy's words, and its correction takes effect.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getJson, http, until } from '../../apps/demo/src/rest.ts'
import { envoyBinary, startZone } from './zone.ts'

const missing = envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH'
const path = '/meshes/default/meshproxypatches/raw'

/** A raw patch of the client's cluster; Envoy has no such load balancing policy, which no schema of ours can know. */
const patch = (value: string): object => ({
  type: 'MeshProxyPatch',
  mesh: 'default',
  name: 'raw',
  labels: { 'kuma.io/origin': 'zone' },
  spec: {
    targetRef: { kind: 'Dataplane', labels: { 'kuma.io/workload': 'client' } },
    default: { appendModifications: [{ cluster: { operation: 'Patch', match: { origin: 'outbound' }, value } }] },
  },
})
const unknownPolicy = JSON.stringify({
  loadBalancingPolicy: {
    policies: [{ typedExtensionConfig: { name: 'no.such.policy', typedConfig: { '@type': 'type.googleapis.com/google.protobuf.Empty' } } }],
  },
})

test('a policy that Envoy refuses is found, named and left out; the rest of the change takes effect', {
  skip: missing,
  timeout: 400_000,
}, async () => {
  await using zone = await startZone()
  const backend = await zone.workload('backend-1', 'backend')
  const port = await zone.freePort()
  await zone.workload('client-1', 'client', {
    outbound: [
      {
        address: '127.0.0.1',
        port,
        backendRef: { kind: 'MeshService', labels: { 'kuma.io/display-name': 'backend' }, port: backend.inbound },
      },
    ],
  })
  const url = `http://127.0.0.1:${port}/`
  const answers = async (): Promise<boolean> => (await http('GET', url)).status === 200
  await until('first answer', answers)

  await zone.put(path, patch(unknownPolicy))
  const rejections = async (): Promise<string> => JSON.stringify(await getJson(`${zone.api}/_weft/rejections`))
  await until('the policy is named', async () => (await rejections()).includes('"name":"raw"'))
  assert.match(await rejections(), /no\.such\.policy|load balancing/i)
  await until('the explanation says so', async () =>
    (await http('GET', `${zone.api}/meshes/default/dataplanes/client-1/_explain?policy=MeshProxyPatch`)).text.includes('"rejected"'),
  )
  assert.ok(await answers(), 'traffic goes on')

  // what others write meanwhile reaches the proxy all the same
  await zone.put('/meshes/default/meshtimeouts/a-quick', {
    type: 'MeshTimeout',
    mesh: 'default',
    name: 'a-quick',
    labels: { 'kuma.io/origin': 'zone' },
    spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '7s' } }] },
  })
  await until('another policy takes effect', async () =>
    (await http('GET', `${zone.api}/meshes/default/dataplanes/client-1/xds`)).text.includes('"connect_timeout": "7s"'),
  )

  await zone.put(path, patch('connectTimeout: 8s'))
  await until('the correction takes effect', async () =>
    (await http('GET', `${zone.api}/meshes/default/dataplanes/client-1/xds`)).text.includes('"connect_timeout": "8s"'),
  )
  // Envoy's word on it comes after the configuration that was asked for
  await until('nothing is rejected any more', async () => (await rejections()) === '{"items":[]}')
  assert.ok(await answers())
})
