import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { labelKeys } from '@weft/resources'
import { createMemoryStore } from '@weft/store'
import { explainDataplane } from './explain.ts'
import { registry, resourcesOf } from './sample.fixture.ts'
import { zonePerspectives } from './zone-view.ts'

const ofGlobal = `
type: Mesh
name: default
---
type: Zone
name: east
---
type: Zone
name: west
---
type: MeshIdentity
mesh: default
name: identity
spec:
  selector: {dataplane: {matchLabels: {}}}
  spiffeID: {trustDomain: '{{ .Zone }}.a', path: '/{{ label "kuma.io/workload" }}'}
  provider: {type: Bundled, bundled: {autogenerate: {enabled: true}, insecureAllowSelfSigned: true}}
---
type: MeshTrafficPermission
mesh: default
name: deny-web
spec:
  rules: [{default: {deny: [{spiffeID: {type: Exact, value: 'spiffe://east.a/web'}}]}}]
`
const ofEast = `
type: Dataplane
mesh: default
name: web
labels: {kuma.io/workload: web}
networking: {address: 10.0.0.1, inbound: [{port: 80, name: main, protocol: http}]}
`
const ofWest = `
type: Dataplane
mesh: default
name: api-1
labels: {kuma.io/workload: api, app: api}
networking: {address: 10.0.0.2, inbound: [{port: 8080, name: http, protocol: http}]}
---
type: MeshZoneAddress
mesh: default
name: west
spec: {address: 192.0.2.1, port: 10001}
---
type: MeshService
mesh: default
name: api
spec:
  selector: {dataplaneLabels: {matchLabels: {app: api}}}
  state: Available
  ports: [{port: 80, name: http, targetPort: 8080, appProtocol: http}]
---
type: MeshTimeout
mesh: default
name: of-west
spec: {rules: [{default: {idleTimeout: 3s}}]}
`

async function globalStore() {
  const store = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
  const global = resourcesOf(ofGlobal, '').map((resource) => {
    const { [labelKeys.zone]: _, ...labels } = resource.labels
    return { ...resource, labels: { ...labels, [labelKeys.origin]: 'global' } }
  })
  const resources = [...global, ...resourcesOf(ofEast, 'east'), ...resourcesOf(ofWest, 'west')]
  await store.transact(
    resources.map((resource) => ({ op: 'put', resource })),
    { actor: 'test', reason: 'test', class: 'desired' },
  )
  return store
}

void test('a global explains a call across zones with the eyes of both', async () => {
  const store = await globalStore()
  const perspectiveOf = zonePerspectives({ registry, store })
  const here = await perspectiveOf('east', 'default')
  const web = store.get({ type: 'Dataplane', mesh: 'default', name: 'web' })
  assert.ok(here && web)
  const explained = await explainDataplane(web, { to: 'api' }, { here, perspectiveOf })
  const text = JSON.stringify(explained)
  assert.match(text, /"spiffeId":"spiffe:\/\/east\.a\/web"/)
  assert.match(text, /"address":"192\.0\.2\.1","port":10001,"zone":"west","priority":1/)
  assert.match(text, /"zone":"west","dataplane":"api-1","section":"http","allowed":false,"by":"kri_mtp_default___deny-web_"/)
  // a zone never has the policies that hold in another one only
  assert.doesNotMatch(text, /of-west/)
  await store.close()
})

void test('a view is computed again after a change, and unknown zones have none', async () => {
  const store = await globalStore()
  const perspectiveOf = zonePerspectives({ registry, store })
  const before = await perspectiveOf('west', 'default')
  assert.equal(await perspectiveOf('nowhere', 'default'), undefined)
  assert.equal((await perspectiveOf('west', 'default'))?.source, before?.source)
  await store.transact([{ op: 'delete', key: { type: 'MeshTimeout', mesh: 'default', name: 'of-west' } }], {
    actor: 'test',
    reason: 'test',
    class: 'desired',
  })
  const after = await perspectiveOf('west', 'default')
  assert.equal(before?.source.store.list('MeshTimeout', 'default').length, 1)
  assert.equal(after?.source.store.list('MeshTimeout', 'default').length, 0)
  await store.close()
})
