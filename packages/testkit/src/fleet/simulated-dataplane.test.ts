import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planIngress, type PlannedProxy, planSidecar } from './simulated-dataplane.ts'

const plan = { mesh: 'default', zones: ['zone-1', 'zone-2', 'zone-3'], services: 20, reachable: 4, probes: 1 }

interface Dataplane {
  readonly labels: Readonly<Record<string, string>>
  readonly networking: {
    readonly address: string
    readonly inbound?: readonly object[]
    readonly listeners?: readonly { readonly type: string }[]
    readonly transparentProxying?: {
      readonly reachableBackends: { readonly refs: readonly { kind: string; labels: Record<string, string> }[] }
    }
  }
}

function dataplaneOf({ node }: PlannedProxy): Dataplane {
  // the text this very module wrote
  return JSON.parse(String(node.metadata['dataplane.resource'])) as Dataplane
}

test('a sidecar reaches the next services, every second one in the other zones in turn, and the probes', () => {
  const planned = planSidecar(plan, { zone: 'zone-2', name: 'svc-18-0', workload: 'svc-18', index: 5, service: 18 })
  assert.deepEqual(planned.backends, [
    'kri_msvc_default_zone-2__svc-19_main',
    'kri_msvc_default_zone-3__svc-0_main',
    'kri_msvc_default_zone-2__svc-1_main',
    'kri_msvc_default_zone-1__svc-2_main',
  ])
  const { labels, networking } = dataplaneOf(planned)
  assert.equal(labels['kuma.io/workload'], 'svc-18')
  const refs = networking.transparentProxying?.reachableBackends.refs ?? []
  assert.deepEqual(
    refs.map(({ kind, labels: of }) => `${kind} ${of['kuma.io/display-name']} ${of['kuma.io/zone'] ?? 'all'}`),
    [
      'MeshService svc-19 zone-2',
      'MeshService svc-0 zone-3',
      'MeshService svc-1 zone-2',
      'MeshService svc-2 zone-1',
      'MeshService probe-0 zone-1',
      'MeshMultiZoneService probe-0 all',
    ],
  )
})

test('a federation of one zone reaches its own services only', () => {
  const { backends } = planSidecar({ ...plan, zones: ['zone-1'] }, { zone: 'zone-1', name: 'a', workload: 'a', index: 0, service: 0 })
  assert.equal(backends.length, 4)
  assert.ok(backends.every((name) => name.includes('_zone-1__')))
})

test('with fewer services than it may reach, none is asked for twice', () => {
  const { backends } = planSidecar(
    { ...plan, services: 2, reachable: 10 },
    { zone: 'zone-1', name: 'a', workload: 'a', index: 0, service: 0 },
  )
  assert.equal(new Set(backends).size, backends.length)
})

test('without anything to reach there is no redirection', () => {
  const planned = planSidecar({ ...plan, reachable: 0 }, { zone: 'zone-1', name: 'a', workload: 'a', index: 0, service: 0 })
  assert.equal(dataplaneOf(planned).networking.transparentProxying, undefined)
  assert.equal(Object.hasOwn(planned.node.metadata, 'transparentProxy'), false)
})

test('every proxy of every zone has an address of its own', () => {
  const addresses = new Set<string>()
  for (const zone of plan.zones) {
    addresses.add(dataplaneOf(planIngress(plan, zone, 0)).networking.address)
    for (let index = 1; index <= 1000; index++)
      addresses.add(dataplaneOf(planSidecar(plan, { zone, name: `a-${index}`, workload: 'a', index, service: 0 })).networking.address)
  }
  assert.equal(addresses.size, 3003)
  for (const address of addresses) assert.match(address, /^10(\.\d{1,3}){3}$/)
})

test('an ingress has a listener and no inbound', () => {
  const { networking } = dataplaneOf(planIngress(plan, 'zone-1', 0))
  assert.equal(networking.inbound, undefined)
  assert.deepEqual(
    networking.listeners?.map(({ type }) => type),
    ['ZoneIngress'],
  )
})
