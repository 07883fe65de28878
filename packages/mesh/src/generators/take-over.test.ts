// Several control planes on one store: one generates, the others watch and take over.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { labelKeys } from '@weft/resources'
import { createMemoryStore, type Store } from '@weft/store'
import { createWorld, hostnameGenerator } from '../world.fixture.ts'

const port = [{ port: 8080, name: 'http', protocol: 'http' }] as const

function stateOf(store: Store): unknown {
  return ['MeshService', 'Workload', 'Config']
    .flatMap((type) => store.list(type))
    .map(({ type, name, labels, spec, status }) => ({ type, name, labels, spec, status }))
}

async function replicas() {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const leads = { a: true, b: false }
  const a = await createWorld({ clock, store, mayWrite: () => leads.a })
  const b = await createWorld({ clock, store, mayWrite: () => leads.b })
  await a.put('Mesh', 'default')
  await a.put('HostnameGenerator', 'local', {
    labels: { [labelKeys.origin]: 'zone' },
    spec: hostnameGenerator('meshService', '{{ .DisplayName }}.svc.mesh.local'),
  })
  return { clock, store, leads, a, b, settled: () => Promise.all([a.mesh.settled(), b.mesh.settled()]) }
}

describe('taking over the generators', () => {
  it('finds nothing to write when nothing is missing, and touches no address', async () => {
    const { store, leads, a, b, settled } = await replicas()
    await a.dataplane('web-1', { workload: 'web', address: '10.0.0.1', ports: port })
    await settled()
    const before = [store.seq, stateOf(store)]
    leads.a = false
    leads.b = true
    b.mesh.takeOver()
    await settled()
    assert.deepEqual([store.seq, stateOf(store)], before)
    await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()])
  })

  it('makes up for all that came, changed and went while nobody led', async () => {
    const { store, leads, a, b, settled } = await replicas()
    await a.dataplane('web-1', { workload: 'web', address: '10.0.0.1', ports: port })
    await a.dataplane('old-1', { workload: 'old', address: '10.0.0.2', ports: port })
    await settled()
    leads.a = false
    await a.dataplane('new-1', { workload: 'new', address: '10.0.0.3', ports: port })
    await a.dataplane('web-1', { workload: 'web', address: '10.0.0.1', ports: [{ ...port[0], port: 9090 }] })
    await a.remove('Dataplane', 'old-1')
    await a.put('MeshExternalService', 'ext', { spec: { match: { type: 'HostnameGenerator', port: 443, protocol: 'tcp' }, endpoints: [] } })
    await settled()
    assert.equal(a.find('MeshService', 'new'), undefined, 'nobody wrote')
    assert.equal(a.find('Workload', 'new'), undefined)
    leads.b = true
    b.mesh.takeOver()
    await settled()

    // the same as where one led all the time
    const alone = await createWorld({ clock: new FakeClock() })
    await alone.put('Mesh', 'default')
    await alone.put('HostnameGenerator', 'local', {
      labels: { [labelKeys.origin]: 'zone' },
      spec: hostnameGenerator('meshService', '{{ .DisplayName }}.svc.mesh.local'),
    })
    await alone.dataplane('web-1', { workload: 'web', address: '10.0.0.1', ports: port })
    await alone.dataplane('old-1', { workload: 'old', address: '10.0.0.2', ports: port })
    await alone.dataplane('new-1', { workload: 'new', address: '10.0.0.3', ports: port })
    await alone.dataplane('web-1', { workload: 'web', address: '10.0.0.1', ports: [{ ...port[0], port: 9090 }] })
    await alone.remove('Dataplane', 'old-1')
    await alone.put('MeshExternalService', 'ext', {
      spec: { match: { type: 'HostnameGenerator', port: 443, protocol: 'tcp' }, endpoints: [] },
    })
    await alone.mesh.settled()
    assert.deepEqual(stateOf(store), stateOf(alone.store))
    await Promise.all([a, b, alone].map((world) => world[Symbol.asyncDispose]()))
  })

  it('stops in the middle of its work when the right is gone', async () => {
    const { leads, a, b, settled } = await replicas()
    const turn = a.dataplane('web-1', { workload: 'web', address: '10.0.0.1', ports: port })
    leads.a = false
    await turn
    await settled()
    assert.equal(a.find('MeshService', 'web'), undefined)
    leads.a = true
    a.mesh.takeOver()
    await settled()
    assert.ok(a.find('MeshService', 'web'))
    await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()])
  })
})
