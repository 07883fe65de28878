import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { policyDescriptors } from '@weft/policies'
import { coreDescriptors, createRegistry, type Labels, type Resource } from '@weft/resources'
import { createMemoryStore, type Store } from '@weft/store'
import { planRestore } from './restore-plan.ts'

const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
const context = { actor: 'user:test', reason: 'test', class: 'desired' } as const

function resource(
  type: string,
  name: string,
  more: { readonly mesh?: string; readonly labels?: Labels; readonly spec?: unknown } = {},
): Resource {
  const { mesh = registry.get(type)?.scope === 'Global' ? '' : 'm', labels = {}, spec = {} } = more
  return { type, mesh, name, labels, spec, creationTime: '', modificationTime: '', version: 1 }
}

async function storeWith(resources: readonly Resource[]): Promise<Store> {
  const store = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
  for (const { type, mesh, name, labels, spec } of resources)
    await store.transact([{ op: 'put', resource: { type, mesh, name, labels, spec } }], context)
  return store
}

async function outcome(mode: 'global' | 'zone', now: readonly Resource[], then: readonly Resource[]): Promise<readonly string[]> {
  const store = await storeWith(now)
  const { steps, leftOut } = planRestore({ store, registry, mode }, then)
  await store.transact(
    steps.map(({ op }) => op),
    context,
  )
  return [
    ...steps.map(({ action, resource: { type, name }, isSent }) => `${action} ${type}/${name}${isSent ? ' sent' : ''}`),
    ...leftOut.map(({ resource: { type, name }, reason }) => `${type}/${name}: ${reason}`),
  ]
}

const policy = (name: string, spec: object = {}, labels: Labels = {}) => resource('MeshTimeout', name, { spec, labels })

it('what is owned becomes what it was', async () => {
  assert.deepEqual(
    await outcome(
      'global',
      [policy('changed', { a: 2 }), policy('new'), policy('same')],
      [policy('changed', { a: 1 }), policy('gone'), policy('same')],
    ),
    ['update MeshTimeout/changed sent', 'create MeshTimeout/gone sent', 'delete MeshTimeout/new sent'],
  )
})

it('a store that is empty gets everything, a store that has it nothing', async () => {
  const all = [
    resource('Mesh', 'm'),
    policy('a'),
    resource('Secret', 's', { spec: { data: 'eA==' } }),
    resource('Config', 'kuma-cluster-id', { spec: { config: 'x' } }),
  ]
  assert.equal((await outcome('global', [], all)).length, 4)
  assert.deepEqual(await outcome('global', all, all), [])
})

it('a zone that lost its store belongs to its global again, one that has another by now stays with it', async () => {
  const pin = (clusterId: string) => resource('Config', 'weft-kds-global', { spec: { config: JSON.stringify({ clusterId }) } })
  assert.deepEqual(await outcome('zone', [], [pin('a')]), ['create Config/weft-kds-global'])
  assert.deepEqual(await outcome('zone', [pin('b')], [pin('a')]), [])
})

it('of others only what is missing is added', async () => {
  const labels = { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east' }
  const of = (name: string, n: number) => resource('MeshService', name, { labels, spec: { n } })
  assert.deepEqual(await outcome('global', [of('a', 2), of('new', 1)], [of('a', 1), of('gone', 1)]), ['create MeshService/gone sent'])
  const global = (name: string, n: number) => policy(name, { n }, { 'kuma.io/origin': 'global' })
  assert.deepEqual(await outcome('zone', [global('a', 2), global('new', 1)], [global('a', 1), global('gone', 1)]), [
    'create MeshTimeout/gone',
  ])
})

it('secrets and proxies that came since stay, and so do insights and what a generator keeps', async () => {
  const since = [
    resource('Secret', 'key-2', { spec: { data: 'eA==' } }),
    resource('Dataplane', 'dp'),
    resource('DataplaneInsight', 'dp'),
    resource('MeshService', 'generated', { labels: { 'kuma.io/managed-by': 'meshservice-generator' } }),
  ]
  assert.deepEqual(await outcome('zone', since, []), [])
})

it('a sealed secret replaces nothing, and is named where it is missing', async () => {
  const sealed = (name: string) => resource('Secret', name, { spec: { sealed: true, digest: 'd' } })
  assert.deepEqual(await outcome('global', [resource('Secret', 'here', { spec: { data: 'eA==' } })], [sealed('here'), sealed('gone')]), [
    'Secret/gone: its value is sealed with another key',
  ])
})

it('a kind of another version is named', async () => {
  assert.deepEqual(await outcome('global', [], [resource('Future', 'f', { mesh: '' })]), ['Future/f: this version does not know the kind'])
})

it('what processes note of themselves stays, but a zone that goes back counts as a later one', async () => {
  const epoch = (n: number) => resource('Config', 'weft-kds-epoch', { spec: { config: String(n) } })
  const ledger = (text: string) => resource('Config', 'weft-kds-origin.global', { spec: { config: text } })
  const store = await storeWith([epoch(7), ledger('now')])
  const { steps } = planRestore({ store, registry, mode: 'zone' }, [
    epoch(3),
    ledger('then'),
    resource('Config', 'weft-recovery'),
    policy('a'),
  ])
  await store.transact(
    steps.map(({ op }) => op),
    context,
  )
  const specOf = (name: string) => store.get({ type: 'Config', mesh: '', name })?.spec
  assert.deepEqual(
    [specOf('weft-kds-epoch'), specOf('weft-kds-origin.global'), specOf('weft-recovery')],
    [{ config: '1007' }, { config: 'now' }, undefined],
  )
  assert.deepEqual(planRestore({ store, registry, mode: 'zone' }, [epoch(3), policy('a')]).steps, [], 'once is enough')
})
