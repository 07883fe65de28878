// Global and its zones over real gRPC on loopback: what flows where, and what stays when something goes away.
import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { freePort } from '@weft/foundation/net'
import { FakeClock } from '@weft/foundation/time'
import type { Store } from '@weft/store'
import { createKdsClient } from './client.ts'
import { member, text } from './json.ts'
import { createKdsServer } from './server.ts'
import { clientOptions, federation, type Member, memberOf, memoryStore, running, serverOptions, until } from './testing/federation.ts'
import { fixedTls, localCertificate, otherCertificate } from './testing/certificate.ts'
import { trustedName } from './trust-spread.ts'

const names = (store: Store, type: string): string[] => store.list(type).map((resource) => resource.name)
const service = { ports: [{ port: 80, appProtocol: 'http' }], selector: {}, state: 'Available' }
const own = { 'kuma.io/origin': 'zone' }

test('a zone comes online and a write at global reaches every zone without waiting for anything', async () => {
  // time stands still at both ends: no timer takes part
  const clock = new FakeClock()
  await using fed = await federation(['zone-1', 'zone-2'], { server: { clock }, client: { clock } })
  await until(() => fed.global.server.zones().filter((zone) => zone.inSync).length === 2 && fed.zone('zone-1').client.connection().complete)
  assert.deepEqual(names(fed.global.store, 'Zone'), ['zone-1', 'zone-2'])
  assert.equal(fed.zone('zone-1').client.connection().peer, 'own')
  await fed.global.put('Mesh', '', 'default', {})
  for (let round = 0; round < 20; round++) {
    const stored = Promise.all(
      ['zone-1', 'zone-2'].map(
        (zone) =>
          new Promise<void>((resolve) => {
            const { store } = fed.zone(zone)
            const stop = store.watch(store.seq, () => {
              stop()
              resolve()
            })
          }),
      ),
    )
    await fed.global.put('MeshTimeout', 'default', 'slow', { to: [{ default: { idleTimeout: `${round + 1}s` } }] })
    await stored
  }
  assert.deepEqual(fed.zone('zone-2').store.list('MeshTimeout')[0]?.labels, { 'kuma.io/display-name': 'slow', 'kuma.io/origin': 'global' })
})

test('a service and a zone address of one zone reach the other, not their own, and follow the Zone', async () => {
  await using fed = await federation(['zone-1', 'zone-2'])
  await fed.zone('zone-1').put('MeshService', 'default', 'redis-zone-1', service, { team: 'db-operators' })
  await fed.zone('zone-2').put('MeshService', 'default', 'redis-zone-2', service, own)
  await fed.zone('zone-1').put('MeshZoneAddress', 'default', 'ingress', { address: '10.0.0.1', port: 10001 }, own)
  const one = fed.zone('zone-1').store
  const two = fed.zone('zone-2').store
  await until(
    () => names(two, 'MeshService').length === 2 && names(one, 'MeshService').length === 2 && names(two, 'MeshZoneAddress').length === 1,
  )
  assert.deepEqual(names(one, 'MeshService'), ['redis-zone-1', 'redis-zone-2-ff29vc4685c6f594'])
  assert.deepEqual(names(two, 'MeshService'), ['redis-zone-1-2v6wfvvcvbc9f55d', 'redis-zone-2'])
  assert.deepEqual(names(fed.global.store, 'MeshService'), ['redis-zone-1-2v6wfvvcvbc9f55d', 'redis-zone-2-ff29vc4685c6f594'])
  const copy = two.get({ type: 'MeshService', mesh: 'default', name: 'redis-zone-1-2v6wfvvcvbc9f55d' })
  assert.deepEqual(copy?.labels, {
    team: 'db-operators',
    'kuma.io/display-name': 'redis-zone-1',
    'kuma.io/origin': 'global',
    'kuma.io/zone': 'zone-1',
  })
  assert.deepEqual(names(one, 'MeshZoneAddress'), ['ingress'])
  await fed.global.put('Zone', '', 'zone-1', { enabled: false })
  await until(() => names(two, 'MeshService').length === 1 && names(two, 'MeshZoneAddress').length === 0)
  assert.deepEqual(names(one, 'MeshService').length, 2)
  await fed.global.put('Zone', '', 'zone-1', { enabled: true })
  await until(() => names(two, 'MeshService').length === 2 && names(two, 'MeshZoneAddress').length === 1)
  await fed.zone('zone-1').remove('MeshService', 'default', 'redis-zone-1')
  await until(() => names(two, 'MeshService').length === 1)
})

test('status goes up and never comes down', async () => {
  await using fed = await federation(['zone-1', 'zone-2'])
  const context = { actor: 'generator:test', reason: 'status', class: 'observed' } as const
  const status = { vips: [{ ip: '241.0.0.7' }] }
  await fed
    .zone('zone-1')
    .store.transact(
      [{ op: 'put', resource: { type: 'MeshService', mesh: 'default', name: 'web', labels: own, spec: service, status } }],
      context,
    )
  const two = fed.zone('zone-2').store
  await until(() => names(two, 'MeshService').length === 1)
  assert.deepEqual(member(fed.global.store.list('MeshService')[0]?.status, 'vips'), status.vips)
  const copy = two.list('MeshService')[0]
  assert.ok(copy)
  assert.equal(copy.status, undefined)
  await two.transact([{ op: 'put', resource: { ...copy, status: { vips: [{ ip: '241.9.9.9' }] } } }], context)
  await fed.zone('zone-1').put('MeshService', 'default', 'web', { ...service, state: 'Unavailable' }, own)
  await until(() => member(two.list('MeshService')[0]?.spec, 'state') === 'Unavailable')
  assert.deepEqual(member(two.list('MeshService')[0]?.status, 'vips'), [{ ip: '241.9.9.9' }])
})

test('kds-sync disabled keeps a policy where it is, both ways', async () => {
  await using fed = await federation(['zone-1', 'zone-2'])
  const local = { 'kuma.io/kds-sync': 'disabled' }
  await fed.global.put('MeshTimeout', 'default', 'at-global', { to: [] }, local)
  await fed.zone('zone-1').put('MeshTimeout', 'default', 'at-zone', { to: [] }, { ...own, ...local })
  await fed.global.put('MeshTimeout', 'default', 'both', { to: [] })
  await fed.zone('zone-1').put('MeshTimeout', 'default', 'up', { to: [] }, own)
  await until(() => names(fed.zone('zone-1').store, 'MeshTimeout').length === 3 && names(fed.global.store, 'MeshTimeout').length === 3)
  assert.ok(!names(fed.zone('zone-1').store, 'MeshTimeout').some((name) => name.startsWith('at-global')))
  assert.ok(!names(fed.global.store, 'MeshTimeout').some((name) => name.startsWith('at-zone')))
  // switched off later, it disappears
  await fed.global.put('MeshTimeout', 'default', 'both', { to: [] }, local)
  await until(() => names(fed.zone('zone-1').store, 'MeshTimeout').length === 2)
})

test('policies of a zone reach others only as producer policies that really are', async () => {
  await using fed = await federation(['zone-1', 'zone-2'])
  const role = { ...own, 'kuma.io/policy-role': 'producer', 'k8s.kuma.io/namespace': 'shop' }
  const to = (labels: Record<string, string>): unknown => ({ to: [{ targetRef: { kind: 'MeshService', labels } }] })
  const zone = fed.zone('zone-1')
  await zone.put('MeshTimeout', 'default', 'producer', to({ 'kuma.io/display-name': 'cart' }), role)
  await zone.put('MeshTimeout', 'default', 'liar', to({ app: 'everything' }), role)
  await zone.put('MeshTimeout', 'default', 'system', to({ 'kuma.io/display-name': 'cart' }), {
    ...role,
    'k8s.kuma.io/namespace': 'kuma-system',
  })
  await zone.put('MeshTimeout', 'default', 'consumer', to({ 'kuma.io/display-name': 'cart' }), {
    ...role,
    'kuma.io/policy-role': 'consumer',
  })
  await until(() => names(fed.global.store, 'MeshTimeout').length === 4 && names(fed.zone('zone-2').store, 'MeshTimeout').length === 1)
  const copy = fed.zone('zone-2').store.list('MeshTimeout')[0]
  assert.deepEqual(
    [copy?.labels['kuma.io/display-name'], copy?.labels['kuma.io/origin'], copy?.labels['kuma.io/zone']],
    ['producer', 'global', 'zone-1'],
  )
})

test('what a zone says about trust reaches no other zone by itself: global publishes what it may', async () => {
  await using fed = await federation(['zone-1', 'zone-2'])
  await fed.global.put('Mesh', '', 'default', {})
  const trust = { trustDomain: 'default.zone-1.mesh.local', caBundles: [{ type: 'Pem', pem: { value: localCertificate.pem } }] }
  await fed.zone('zone-1').put('MeshTrust', 'default', 'own', trust, own)
  await until(() => fed.global.store.list('MeshTrust').length === 1)
  await fed.global.put('MeshTrust', 'default', 'published', trust)
  await until(() => fed.zone('zone-2').store.list('MeshTrust').length > 0)
  assert.deepEqual(
    fed
      .zone('zone-2')
      .store.list('MeshTrust')
      .map((found) => found.labels['kuma.io/display-name']),
    ['published'],
  )
})

test('secrets: signing keys of users and CAs stay at global, zone token keys come as public keys', async () => {
  await using fed = await federation(['zone-1'])
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const data = Buffer.from(privateKey.export({ type: 'pkcs1', format: 'pem' })).toString('base64')
  for (const name of [
    'envoy-admin-ca',
    'admin-user-token',
    'inter-cp-ca',
    'user-token-revocations',
    'user-token-signing-key-1',
    'zone-token-signing-key-1',
    'zone-token-revocations',
  ]) {
    await fed.global.put('GlobalSecret', '', name, { data })
  }
  await fed.global.put('GlobalSecret', '', 'zone-token-signing-key-2', { data: Buffer.from('no key').toString('base64') })
  await fed.global.put('Secret', 'default', 'dataplane-token-signing-key-default-1', { data })
  await fed.global.put('Config', '', 'kuma-cluster-id', { config: 'some-uuid' })
  await fed.global.put('Config', '', 'cp-catalog', { config: '{}' })
  const { store } = fed.zone('zone-1')
  await until(
    () =>
      names(store, 'Secret').length === 1 &&
      names(store, 'GlobalSecret').length === 2 &&
      store.get({ type: 'Config', mesh: '', name: 'kuma-cluster-id' }) !== undefined,
  )
  assert.deepEqual(names(store, 'GlobalSecret'), ['zone-token-revocations', 'zone-token-signing-public-key-1'])
  const key = store.get({ type: 'GlobalSecret', mesh: '', name: 'zone-token-signing-public-key-1' })
  assert.equal(key?.labels['kuma.io/display-name'], 'zone-token-signing-key-1')
  assert.match(Buffer.from(text(key?.spec, 'data'), 'base64').toString(), /^-----BEGIN RSA PUBLIC KEY-----/)
  assert.deepEqual(
    names(store, 'Config').filter((name) => !name.startsWith('weft-')),
    ['kuma-cluster-id'],
  )
  assert.deepEqual(names(store, 'Secret'), ['dataplane-token-signing-key-default-1'])
})

test('what a zone has of its own is not taken over, and the refusal names it', async () => {
  const refused: string[] = []
  await using fed = await federation(['zone-1'], {
    server: {
      recorder: {
        ...serverOptions(memoryStore()).recorder,
        responseCounted: (_zone, _id, _type, outcome, failure) => outcome === 'rejected' && refused.push(failure ?? ''),
      },
    },
  })
  const zone = fed.zone('zone-1')
  await zone.put('Secret', 'default', 'mine', { data: 'bG9jYWw=' })
  await fed.global.put('Secret', 'default', 'mine', { data: 'Z2xvYmFs' })
  await fed.global.put('Secret', 'default', 'other', { data: 'Z2xvYmFs' })
  await until(() => zone.store.list('Secret').length === 2 && refused.length > 0)
  assert.match(refused[0] ?? '', /Secret name=mine mesh=default: .*already exists/)
  assert.deepEqual(zone.store.get({ type: 'Secret', mesh: 'default', name: 'mine' })?.spec, { data: 'bG9jYWw=' })
  await fed.global.remove('Secret', 'default', 'mine')
  await fed.global.put('Secret', 'default', 'third', { data: 'Z2xvYmFs' })
  await until(() => zone.store.list('Secret').length === 3)
  assert.deepEqual(zone.store.get({ type: 'Secret', mesh: 'default', name: 'mine' })?.spec, { data: 'bG9jYWw=' })
})

test('an invalid policy is refused by name, its siblings are stored and flow on', async () => {
  const refused: string[] = []
  await using fed = await federation(['zone-1'], {
    server: {
      recorder: {
        ...serverOptions(memoryStore()).recorder,
        responseCounted: (_zone, _id, _type, outcome, failure) => outcome === 'rejected' && refused.push(failure ?? ''),
      },
    },
  })
  await fed.global.put('MeshTimeout', 'default', 'bad', { to: [{ default: { idleTimeout: 'never' } }] })
  await fed.global.put('MeshTimeout', 'default', 'good', { to: [] })
  const { store } = fed.zone('zone-1')
  await until(() => store.list('MeshTimeout').length === 1 && refused.length > 0)
  assert.match(refused[0] ?? '', /MeshTimeout name=bad-\w+ mesh=default: spec\.to\[0\]\.default\.idleTimeout: must be a duration/)
  await fed.global.put('MeshTimeout', 'default', 'bad', { to: [{ default: { idleTimeout: '1s' } }] })
  await until(() => store.list('MeshTimeout').length === 2)
})

test('after a lost connection only what changed is sent, and a deletion in between arrives', async () => {
  const store = memoryStore()
  const global = memberOf(store)
  const port = await freePort()
  await using first = await running(createKdsServer(serverOptions(store, { port })))
  const zone = memberOf(memoryStore())
  await global.put('Mesh', '', 'default', {})
  for (const name of ['a', 'b', 'c']) await global.put('MeshTimeout', 'default', name, { to: [] })
  await using client = await running(createKdsClient(clientOptions(zone.store, 'zone-1', port)))
  await until(() => client.connection().complete && zone.store.list('MeshTimeout').length === 3)
  await first.stop()
  await until(() => client.connection().state !== 'connected')
  await global.remove('MeshTimeout', 'default', 'a')
  await global.put('MeshTimeout', 'default', 'b', { to: [{ default: { idleTimeout: '1s' } }] })
  const sent: string[] = []
  const log = {
    ...silentLogger,
    child: () => log,
    debug: (...args: readonly unknown[]) => void (args[1] === 'kds response sent' && sent.push(JSON.stringify(args[0]))),
  }
  await using server = await running(createKdsServer(serverOptions(store, { port, log })))
  await until(() => zone.store.list('MeshTimeout').length === 2 && server.zones()[0]?.inSync === true)
  const counts = sent
    .map((line) => JSON.parse(line) as { type: string; count: number; removed: number })
    .filter(({ count, removed }) => count + removed > 0)
  assert.deepEqual(
    counts.map(({ type, count, removed }) => [type, count, removed]),
    [['MeshTimeout', 1, 1]],
  )
})

/** A zone that was served by one global meets another one under the same address. */
async function meetAnother(
  setUp: (first: Member) => Promise<void>,
  check: (context: {
    readonly zone: Member
    readonly second: Member
    readonly client: ReturnType<typeof createKdsClient>
  }) => Promise<void>,
): Promise<void> {
  const first = memberOf(memoryStore())
  await setUp(first)
  const port = await freePort()
  await using firstServer = await running(createKdsServer(serverOptions(first.store, { port })))
  const zone = memberOf(memoryStore())
  await using client = await running(createKdsClient(clientOptions(zone.store, 'zone-1', port)))
  await until(() => client.connection().complete && firstServer.zones()[0]?.inSync === true)
  await firstServer.stop()
  const second = memberOf(memoryStore())
  await using server = await running(createKdsServer(serverOptions(second.store, { port })))
  await until(() => client.connection().state === 'connected' && server.zones()[0]?.inSync === true)
  await check({ zone, second, client })
}

test('a global that came back empty deletes nothing in its zones', () =>
  meetAnother(
    async (first) => {
      await first.put('Mesh', '', 'default', {})
      await first.put('MeshTimeout', 'default', 'a', { to: [] })
      await first.put('MeshTimeout', 'default', 'b', { to: [] })
    },
    async ({ zone, second, client }) => {
      const before = names(zone.store, 'MeshTimeout')
      assert.equal(before.length, 2)
      assert.deepEqual(names(zone.store, 'Mesh'), ['default'])
      // what the new one lists is its own again, and a deletion it witnesses counts
      await second.put('MeshTimeout', 'default', 'a', { to: [{ default: { idleTimeout: '3s' } }] })
      await until(() => client.held().find((held) => held.type === 'MeshTimeout')?.keys.length === 1)
      await second.remove('MeshTimeout', 'default', 'a')
      await until(() => names(zone.store, 'MeshTimeout').length === 1)
      assert.equal(await client.approveRemoval(), 2)
      assert.deepEqual(names(zone.store, 'MeshTimeout'), [])
      assert.deepEqual(names(zone.store, 'Mesh'), [])
    },
  ))

test('a zone that came back empty keeps its inventory at global and in other zones', async () => {
  await using fed = await federation(['zone-2'])
  const start = (store: Store) => running(createKdsClient(clientOptions(store, 'zone-1', fed.global.server.port)))
  const before = memberOf(memoryStore())
  await before.put('MeshService', 'default', 'web', service, own)
  await before.put('MeshService', 'default', 'api', service, own)
  await using first = await start(before.store)
  await until(() => names(fed.zone('zone-2').store, 'MeshService').length === 2)
  await first.stop()
  const after = memberOf(memoryStore())
  await after.put('MeshService', 'default', 'web', service, own)
  await using _second = await start(after.store)
  await until(() => fed.global.server.held()[0]?.keys.length === 1)
  assert.deepEqual(
    fed.global.server.held().map(({ origin, type }) => [origin, type]),
    [['zone-1', 'MeshService']],
  )
  assert.equal(names(fed.zone('zone-2').store, 'MeshService').length, 2)
  await after.put('MeshService', 'default', 'api', service, own)
  await until(() => fed.global.server.held().length === 0)
  await after.remove('MeshService', 'default', 'web')
  await until(() => names(fed.zone('zone-2').store, 'MeshService').length === 1)
})

test('a zone that came back empty and recovered tells what is really gone', async () => {
  await using fed = await federation(['zone-2'])
  const start = (store: Store, recovered?: Promise<void>) =>
    running(createKdsClient(clientOptions(store, 'zone-1', fed.global.server.port, recovered ? { recovered } : {})))
  const before = memberOf(memoryStore())
  const generated = { ...own, 'kuma.io/managed-by': 'meshservice-generator' }
  for (const name of ['web', 'api', 'gone']) await before.put('MeshService', 'default', name, service, generated)
  // what a person wished stays until someone approves: who lost it cannot know
  await before.put('MeshService', 'default', 'wished', service, own)
  await using first = await start(before.store)
  await until(() => names(fed.zone('zone-2').store, 'MeshService').length === 4)
  await first.stop()
  const after = memberOf(memoryStore())
  await after.put('MeshService', 'default', 'web', service, generated)
  const { promise, resolve } = Promise.withResolvers<void>()
  await using second = await start(after.store, promise)
  await until(() => fed.global.server.held()[0]?.keys.length === 3)
  // a connection lost in between changes nothing
  await second.stop()
  await using _third = await start(after.store, promise)
  await after.put('MeshService', 'default', 'api', service, generated)
  await until(() => fed.global.server.held()[0]?.keys.length === 2)
  resolve()
  await until(() => names(fed.zone('zone-2').store, 'MeshService').length === 3)
  assert.deepEqual(
    fed.global.server.held().map(({ type, keys }) => [type, keys.map(({ name }) => name.slice(0, 7))]),
    [['MeshService', ['wished-']]],
  )
})

test('a zone that came back empty is told which dataplanes it had', async () => {
  await using fed = await federation([])
  const start = (store: Store) => running(createKdsClient(clientOptions(store, 'zone-1', fed.global.server.port)))
  const dataplane = { networking: { address: '10.0.0.1', inbound: [{ port: 80 }] } }
  const before = memberOf(memoryStore())
  for (const name of ['a', 'b']) await before.put('Dataplane', 'default', name, dataplane, own)
  await before.put('Dataplane', 'other', 'c', dataplane, own)
  await using first = await start(before.store)
  await until(() => names(fed.global.store, 'Dataplane').length === 3)
  assert.equal(first.returned(), undefined)
  await first.stop()
  const after = memberOf(memoryStore())
  await after.put('Dataplane', 'default', 'a', dataplane, own)
  await using second = await start(after.store)
  await until(() => second.returned() !== undefined)
  const returned = second.returned()
  assert.deepEqual(
    ['default', 'other', 'none'].map((mesh) => [...(returned?.missingOf(mesh) ?? ['unknown'])].map((name) => name.slice(0, 2))),
    [['b-'], ['c-'], ['un']],
  )
  const stored = after.store.get({ type: 'Dataplane', mesh: 'default', name: 'a' })
  assert.ok(stored)
  assert.equal(returned?.has(stored), true)
  assert.equal(returned.has({ ...stored, name: 'new' }), false)
  await after.put('Dataplane', 'default', 'b', dataplane, own)
  assert.equal(returned.missingOf('default')?.size, 0)
  await after.remove('Dataplane', 'default', 'b')
  assert.equal(returned.missingOf('default')?.size, 0)
})

test('a zone learns when all others trust its roots', async () => {
  const isTrustShared = (): boolean =>
    fed.global.store.get({ type: 'Mesh', mesh: '', name: 'default' })?.labels['weft.io/trust-federation'] !== 'disabled'
  await using fed = await federation(['zone-1', 'zone-2', 'zone-3'], { server: { isTrustShared } })
  const { fingerprint256 } = new X509Certificate(localCertificate.pem)
  const root = trustedName('default', fingerprint256.replaceAll(':', '').toLowerCase())
  const trust = (trustDomain: string) => ({
    trustDomain,
    caBundles: [{ type: 'Pem', pem: { value: localCertificate.pem } }],
  })
  const [one, two, three] = ['zone-1', 'zone-2', 'zone-3'].map((zone) => fed.zone(zone))
  assert.ok(one && two && three)
  await fed.global.put('Mesh', '', 'default', {})
  await one.put('MeshTrust', 'default', 'identity', trust('default.zone-1.mesh.local'), own)
  two.client.reportTrusted(new Set([root]))
  await until(() => fed.global.store.list('MeshTrust').length === 1)
  assert.equal(one.client.isTrustedElsewhere(root), false)
  three.client.reportTrusted(new Set([root, 'x']))
  await until(() => one.client.isTrustedElsewhere(root))
  assert.equal(two.client.isTrustedElsewhere(root), false)
  three.client.reportTrusted(new Set())
  await until(() => !one.client.isTrustedElsewhere(root))
  // who is not there is not waited for
  await three.client.stop()
  await until(() => one.client.isTrustedElsewhere(root))
  // nor is anyone for what is not shared
  two.client.reportTrusted(new Set())
  await until(() => !one.client.isTrustedElsewhere(root))
  await fed.global.put('Mesh', '', 'default', {}, { 'weft.io/trust-federation': 'disabled' })
  await until(() => one.client.isTrustedElsewhere(root))
  await fed.global.server.stop()
  await until(() => one.client.connection().state !== 'connected')
  assert.equal(one.client.isTrustedElsewhere(root), false)
})

test('a zone that restarts with its store loses at global what it lost meanwhile', async () => {
  await using fed = await federation([])
  const zone = memberOf(memoryStore())
  await zone.put('MeshService', 'default', 'web', service, own)
  await zone.put('MeshService', 'default', 'api', service, own)
  const start = () => running(createKdsClient(clientOptions(zone.store, 'zone-1', fed.global.server.port)))
  await using first = await start()
  await until(() => names(fed.global.store, 'MeshService').length === 2)
  await first.stop()
  await zone.remove('MeshService', 'default', 'web')
  await using _second = await start()
  await until(() => names(fed.global.store, 'MeshService').length === 1)
  assert.deepEqual(fed.global.server.held(), [])
})

test('TLS is verified, by name and by address', async () => {
  const { pem } = localCertificate
  await using server = await running(createKdsServer(serverOptions(memoryStore(), { tls: fixedTls(localCertificate) })))
  const dial = (globalAddress: string, tls: { readonly skipVerify: boolean; readonly rootCertificates?: string }) =>
    running(createKdsClient(clientOptions(memoryStore(), 'zone-1', 0, { globalAddress, credentials: () => tls })))
  for (const host of ['localhost', '127.0.0.1']) {
    await using client = await dial(`grpcs://${host}:${server.port}`, { skipVerify: false, rootCertificates: pem })
    await until(() => client.connection().complete)
  }
  await using deceived = await dial(`grpcs://127.0.0.1:${server.port}`, { skipVerify: false, rootCertificates: otherCertificate.pem })
  await until(() => deceived.connection().state === 'waiting')
  assert.match(deceived.connection().lastError ?? '', /certificate of 127\.0\.0\.1:\d+ cannot be verified/)
  await using careless = await dial(`grpcs://127.0.0.1:${server.port}`, { skipVerify: true })
  await until(() => careless.connection().complete)
})

test('global asks the proxy of a zone through the zone', async () => {
  await using fed = await federation(['zone-1'], {
    server: { clock: new FakeClock() },
    client: { envoyAdmin: { ask: async (kind, proxy, options) => Buffer.from(`${kind} ${proxy.name} ${JSON.stringify(options)}`) } },
  })
  await fed.zone('zone-1').put('Dataplane', 'default', 'dp-1', { networking: { address: '10.0.0.1', inbound: [{ port: 80 }] } }, own)
  await until(() => fed.global.store.list('Dataplane').length === 1 && fed.global.server.zones()[0]?.streams.length === 5)
  const proxy = fed.global.store.list('Dataplane')[0]
  assert.ok(proxy)
  assert.equal(
    Buffer.from(await fed.global.server.ask('zone-1', 'stats', proxy, { format: 'json' })).toString(),
    'stats dp-1 {"format":"json","usedOnly":false}',
  )
  await assert.rejects(fed.global.server.ask('zone-1', 'clusters', { ...proxy, labels: {}, name: 'nope' }), {
    code: 'kds/admin-failed',
    message: /no Dataplane named nope/,
  })
  assert.equal(Buffer.from(await fed.global.server.ask('zone-1', 'configDump', proxy)).toString(), 'configDump dp-1 {"includeEds":false}')
})
