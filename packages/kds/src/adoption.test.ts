// A zone that belongs to one global and finds another, over real gRPC and with a store on disk.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Logger, silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock, systemClock } from '@weft/foundation/time'
import { openEmbeddedStore, type Store } from '@weft/store'
import { createKdsClient, type KdsClientOptions } from './client.ts'
import type { KdsServer } from './contract.ts'
import { createKdsServer, type KdsServerOptions } from './server.ts'
import { clientOptions, type Member, memberOf, memoryStore, registry, running, serverOptions, until } from './testing/federation.ts'
import { clusterId, listing, stockGlobal } from './testing/raw-global.ts'
import { decodeRequest, jsonResource } from './testing/raw-zone.ts'

/** An own global with this id. */
async function globalOf(
  id: string,
  extra: Partial<KdsServerOptions> = {},
): Promise<Member & { readonly server: KdsServer } & AsyncDisposable> {
  const member = memberOf(memoryStore())
  await member.put('Config', '', 'kuma-cluster-id', { config: id })
  await member.put('Mesh', '', 'default', {})
  const server = await running(createKdsServer(serverOptions(member.store, { clusterLasts: true, ...extra })))
  return { ...member, server, [Symbol.asyncDispose]: () => server.stop() }
}

/** A store on disk that can be closed and opened again, as by a restart. */
async function durable(): Promise<AsyncDisposable & { readonly store: Store; restart(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'weft-adopt-'))
  const open = (): Promise<Store> => openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
  let store = await open()
  return {
    get store() {
      return store
    },
    restart: async () => {
      await store.close()
      store = await open()
    },
    [Symbol.asyncDispose]: async () => {
      await store.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** A TCP hop whose target can be changed, as an address that is given to another control plane. */
async function movableAddress(first: number): Promise<AsyncDisposable & { readonly port: number; moveTo(port: number): void }> {
  let target = first
  const sockets = new Set<Socket>()
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const server = createTcpServer((inner) => {
    const outer = connect(target, '127.0.0.1')
    for (const socket of [inner, outer]) sockets.add(socket.on('error', () => {}))
    inner.pipe(outer).pipe(inner)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address && typeof address === 'object')
  return {
    port: address.port,
    moveTo: (port) => {
      target = port
      cut()
    },
    [Symbol.asyncDispose]: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function errorsOf(): { readonly log: Logger; readonly errors: unknown[] } {
  const errors: unknown[] = []
  const log: Logger = { ...silentLogger, error: (fields: unknown) => void errors.push(fields), child: () => log }
  return { log, errors }
}

const startZone = (store: Store, port: number, extra: Partial<KdsClientOptions> = {}) =>
  running(createKdsClient(clientOptions(store, 'east', port, extra)))

/** Everything but what the zone remembers for itself. */
function contents(store: Store): unknown {
  return registry.all.flatMap(({ type }) =>
    store
      .list(type)
      .filter(({ name }) => !name.startsWith('weft-'))
      .map(({ mesh, name, version, spec }) => ({ type, mesh, name, version, spec })),
  )
}

const timeouts = (store: Store): readonly string[] => store.list('MeshTimeout').map(({ name }) => name.replace(/-[^-]+$/, ''))
const idleOf = (store: Store): unknown =>
  store.list('MeshTimeout').find(({ name }) => name.startsWith('both'))?.spec as { to: { default: { idleTimeout: string } }[] }
const timeout = (idleTimeout: string) => ({ to: [{ targetRef: { kind: 'Mesh' }, default: { idleTimeout } }] })

test('another global changes nothing in a zone and learns nothing of it, until it is adopted', async () => {
  await using zone = await durable()
  await memberOf(zone.store).put('MeshService', 'default', 'web', { ports: [] })
  await using a = await globalOf('cluster-a')
  await using b = await globalOf('cluster-b')
  await a.put('MeshTimeout', 'default', 'both', timeout('1s'))
  await a.put('MeshTimeout', 'default', 'only-a', timeout('1s'))
  await b.put('MeshTimeout', 'default', 'both', timeout('2s'))
  await b.put('MeshTimeout', 'default', 'only-b', timeout('2s'))
  {
    await using first = await startZone(zone.store, a.server.port)
    await until(() => first.connection().complete && a.store.list('MeshService').length === 1)
    assert.equal(first.adoption().pin?.clusterId, 'cluster-a')
  }
  await zone.restart()
  const before = contents(zone.store)
  const clock = new FakeClock()
  const metrics = createMetrics()
  const { log, errors } = errorsOf()
  const client = await startZone(zone.store, b.server.port, { clock, log, metrics, random: () => 0 })
  let refusals = 0
  client.onConnection(({ state }) => {
    if (state === 'other-global') refusals++
  })
  for (const attempt of [1, 2, 3]) {
    await until(() => refusals === attempt && client.connection().state === 'other-global')
    if (attempt < 3) clock.advance(10_000)
  }
  assert.deepEqual(contents(zone.store), before)
  assert.deepEqual(b.store.list('MeshService'), [])
  assert.deepEqual(client.connection().listed, [])
  assert.match(client.connection().lastError ?? '', /another global, cluster-b; this zone belongs to cluster-a/)
  const { pin, otherGlobal } = client.status()
  assert.deepEqual(
    [pin?.clusterId, pin?.lasting, otherGlobal?.code, otherGlobal?.clusterId],
    ['cluster-a', true, 'kds/other-global', 'cluster-b'],
  )
  assert.deepEqual(
    otherGlobal?.owned.filter(({ type }) => type === 'MeshTimeout'),
    [{ type: 'MeshTimeout', count: 2, names: ['default/both', 'default/only-a'] }],
  )
  assert.equal(errors.length, 1, 'told once')
  assert.equal((errors[0] as { error: string }).error, 'kds/other-global')
  assert.match((await metrics.expose()).text, /^kds_other_global 1$/m)

  const comparison = await client.compare()
  assert.deepEqual(
    comparison.types.filter(({ type }) => type !== 'Config'),
    [
      {
        type: 'MeshTimeout',
        overwritten: { count: 1, names: ['default/both'] },
        added: { count: 1, names: ['default/only-b'] },
        held: { count: 1, names: ['default/only-a'] },
        refused: { count: 0, names: [] },
      },
    ],
  )
  assert.deepEqual([comparison.clusterId, comparison.unanswered], ['cluster-b', []])
  assert.deepEqual(contents(zone.store), before, 'looking changes nothing')
  assert.deepEqual([b.store.list('MeshService'), client.connection().state], [[], 'other-global'])

  await assert.rejects(client.adopt('cluster-c', 'user:me'), { code: 'kds/other-global' })
  await client.adopt('cluster-b', 'user:me')
  await until(() => client.connection().complete && b.store.list('MeshService').length === 1)
  assert.deepEqual(timeouts(zone.store), ['both', 'only-a', 'only-b'])
  assert.deepEqual(idleOf(zone.store), timeout('2s'))
  assert.deepEqual([client.status().pin?.clusterId, client.status().otherGlobal], ['cluster-b', undefined])
  assert.match((await metrics.expose()).text, /^kds_other_global 0$/m)
  // what only the former global had is no evidence of a deletion
  await until(() => client.held().length > 0)
  assert.deepEqual(
    client.held().map(({ type, reason, keys }) => [type, reason, keys.length]),
    [['MeshTimeout', 'incarnation', 1]],
  )
  assert.equal(await client.approveRemoval({ type: 'MeshTimeout' }), 1)
  assert.deepEqual(timeouts(zone.store), ['both', 'only-b'])

  await client.stop()
  await zone.restart()
  {
    await using again = await startZone(zone.store, b.server.port)
    await until(() => again.connection().complete)
  }
  await using back = await startZone(zone.store, a.server.port)
  await until(() => back.connection().state === 'other-global')
  assert.deepEqual([back.status().otherGlobal?.clusterId, timeouts(zone.store)], ['cluster-a', ['both', 'only-b']])
})

test('the right global is taken again as soon as it is back at the address, without a word from anyone', async () => {
  const zone = memberOf(memoryStore())
  await using a = await globalOf('cluster-a')
  await using b = await globalOf('cluster-b')
  await using address = await movableAddress(a.server.port)
  const clock = new FakeClock()
  await using client = await startZone(zone.store, address.port, { clock, random: () => 0 })
  await until(() => client.connection().complete)
  address.moveTo(b.server.port)
  await until(() => client.connection().state === 'waiting')
  clock.advance(1_000)
  await until(() => client.connection().state === 'other-global')
  await a.put('MeshTimeout', 'default', 'late', timeout('1s'))
  await b.remove('Mesh', '', 'default')
  address.moveTo(a.server.port)
  clock.advance(10_000)
  await until(() => client.connection().state === 'connected' && zone.store.list('MeshTimeout').length === 1)
  assert.deepEqual([client.status().otherGlobal, client.held(), zone.store.list('Mesh').length], [undefined, [], 1])
})

test('a global that the configuration names is adopted without a command', async () => {
  const zone = memberOf(memoryStore())
  await using a = await globalOf('cluster-a')
  await using b = await globalOf('cluster-b')
  await b.put('MeshTimeout', 'default', 'only-b', timeout('2s'))
  {
    await using first = await startZone(zone.store, a.server.port)
    await until(() => first.connection().complete)
  }
  await using client = await startZone(zone.store, b.server.port, { adopts: 'cluster-b' })
  await until(() => client.connection().complete && zone.store.list('MeshTimeout').length === 1)
  assert.deepEqual([client.status().pin?.clusterId, client.connection().state], ['cluster-b', 'connected'])
})

test('a global that keeps its state in memory comes back with another id and is taken; it deletes nothing', async () => {
  const zone = memberOf(memoryStore())
  await using before = await globalOf('memory-1', { clusterLasts: false })
  await before.put('MeshTimeout', 'default', 'kept', timeout('1s'))
  await using address = await movableAddress(before.server.port)
  await using client = await startZone(zone.store, address.port)
  await until(() => client.connection().complete && zone.store.list('MeshTimeout').length === 1)
  await using after = await globalOf('memory-2', { clusterLasts: false })
  await after.put('MeshTimeout', 'default', 'new', timeout('1s'))
  address.moveTo(after.server.port)
  await until(() => zone.store.list('MeshTimeout').length === 2)
  assert.deepEqual([client.status().pin?.clusterId, client.status().otherGlobal], ['memory-2', undefined])
  await until(() => client.held().length === 1)
})

test('a global whose cluster id is made after it was joined is checked by what it lists', async () => {
  const zone = memberOf(memoryStore())
  await using a = await globalOf('cluster-a')
  {
    await using first = await startZone(zone.store, a.server.port)
    await until(() => first.connection().complete)
  }
  for (const [id, state] of [
    ['cluster-b', 'other-global'],
    ['cluster-a', 'connected'],
  ] as const) {
    const starting = memberOf(memoryStore())
    await using server = await running(createKdsServer(serverOptions(starting.store, { clusterLasts: true })))
    await using client = await startZone(zone.store, server.port)
    await until(() => starting.store.get({ type: 'Zone', mesh: '', name: 'east' }) !== undefined)
    assert.equal(client.connection().state, 'connecting')
    await starting.put('Config', '', 'kuma-cluster-id', { config: id })
    await until(() => client.connection().state === state)
  }
})

test('a stock global is asked for its cluster id alone, and for the rest once it is the one', async () => {
  const zone = memberOf(memoryStore())
  await zone.put('MeshService', 'default', 'web', { ports: [] })
  const pinned = { clusterId: 'one', peer: 'stock', lasting: true, address: '127.0.0.1:1', since: '', process: '' }
  await zone.put('Config', '', 'weft-kds-global', { config: JSON.stringify(pinned) })
  await using global = await stockGlobal()
  const clock = new FakeClock()
  await using client = await startZone(zone.store, global.port, { clock, random: () => 0 })
  const down = await global.down.take()
  assert.equal(decodeRequest(await down.next()).typeUrl, 'Config')
  // a list that nobody asked for is not taken either
  down.send(listing('MeshTimeout', '1', [jsonResource('default', 'b-hash', { to: [] }, { 'kuma.io/origin': 'global' })]))
  down.send(listing('Config', '2', []))
  const ack = decodeRequest(await down.next())
  assert.deepEqual([ack.typeUrl, ack.responseNonce, client.connection().state], ['Config', '2', 'connecting'])
  down.send(listing('Config', '3', [clusterId('two')]))
  await until(() => client.connection().state === 'other-global')
  assert.deepEqual(
    [zone.store.list('MeshTimeout'), zone.store.list('Config').map(({ name }) => name)],
    [[], ['weft-kds-epoch', 'weft-kds-global']],
  )
  assert.deepEqual([global.up.waiting.length, global.stats.waiting.length], [0, 0], 'nothing but that one stream was opened')

  clock.advance(1_000)
  const again = await global.down.take()
  assert.equal(decodeRequest(await again.next()).typeUrl, 'Config')
  again.send(listing('Config', '1', [clusterId('one')]))
  const types = new Set<string>()
  while (types.size < 14) types.add(decodeRequest(await again.next()).typeUrl ?? '')
  again.send(listing('MeshTimeout', '2', [jsonResource('default', 'a-hash', { to: [] }, { 'kuma.io/origin': 'global' })]))
  await global.up.take()
  await until(() => zone.store.list('MeshTimeout').length === 1 && client.connection().listed.includes('Config'))
})

test('a stock global is compared with, also when it leaves types out, and the right one is looked for afterwards', async () => {
  const zone = memberOf(memoryStore())
  await using a = await globalOf('cluster-a')
  await a.put('MeshTimeout', 'default', 'gone', timeout('1s'))
  {
    await using first = await startZone(zone.store, a.server.port)
    await until(() => first.connection().complete)
  }
  // its own, of a name that the stock global lists too
  await zone.put('MeshTimeout', 'default', 'own-hash', timeout('3s'), { 'kuma.io/origin': 'zone' })
  await using global = await stockGlobal()
  const clock = new FakeClock()
  await using client = await startZone(zone.store, global.port, { clock, random: () => 0 })
  await assert.rejects(client.compare(), { code: 'kds/other-global' }, 'nobody is there yet')
  const down = await global.down.take()
  clock.advance(1_000)
  down.send(listing('Config', '1', [clusterId('two')]))
  await until(() => client.connection().state === 'other-global')

  const asked = client.compare()
  await assert.rejects(client.compare(), { code: 'kds/other-global' }, 'one at a time')
  const look = await global.down.take()
  look.send(listing('Config', '1', [clusterId('two')]))
  look.send(
    listing('MeshTimeout', '2', [
      jsonResource('default', 'own-hash', timeout('9s'), { 'kuma.io/origin': 'global' }),
      jsonResource('default', 'bad-hash', { to: 'nonsense' }, { 'kuma.io/origin': 'global' }),
    ]),
  )
  const answers: string[] = []
  while (!answers.includes('2')) answers.push(decodeRequest(await look.next()).responseNonce ?? '')
  clock.advance(15_000)
  const { types, unanswered } = await asked
  assert.deepEqual(
    types
      .filter(({ type }) => type === 'MeshTimeout')
      .map(({ overwritten, added, held, refused }) => [overwritten.count, added.count, held.names, refused.count]),
    [[0, 0, ['default/gone'], 2]],
  )
  assert.equal(unanswered.length, 12)
  await until(() => look.call.cancelled)
  clock.advance(1_000)
  await global.down.take('the next look')
})

test('a comparison with a global that changes meanwhile is none', async () => {
  const zone = memberOf(memoryStore())
  const pinned = { clusterId: 'one', peer: 'stock', lasting: true, address: '127.0.0.1:1', since: '', process: '' }
  await zone.put('Config', '', 'weft-kds-global', { config: JSON.stringify(pinned) })
  await using global = await stockGlobal()
  const clock = new FakeClock()
  await using client = await startZone(zone.store, global.port, { clock, random: () => 0 })
  ;(await global.down.take()).send(listing('Config', '1', [clusterId("$(a)'b")]))
  await until(() => client.connection().state === 'other-global')
  assert.match(client.status().otherGlobal?.command ?? '', / --cluster-id '\$\(a\)'\\''b' --yes$/, 'what people paste is quoted')
  for (const [lists, expected] of [
    [[listing('Config', '1', [clusterId('three')])], { code: 'kds/other-global' }],
    [[], { code: 'kds/not-connected' }],
    [[Buffer.from('ffff', 'hex')], { code: 'kds/bad-message' }],
  ] as const) {
    const asked = client.compare()
    const look = await global.down.take()
    for (const list of lists) look.send(list)
    if (lists.length === 0) clock.advance(15_000)
    await assert.rejects(asked, expected)
  }
})

test('a stock global that does not say which it is is tried again', async () => {
  const zone = memberOf(memoryStore())
  const pinned = { clusterId: 'one', peer: 'stock', lasting: true, address: '127.0.0.1:1', since: '', process: '' }
  await zone.put('Config', '', 'weft-kds-global', { config: JSON.stringify(pinned) })
  await using global = await stockGlobal()
  const clock = new FakeClock()
  await using client = await startZone(zone.store, global.port, { clock, random: () => 0 })
  const down = await global.down.take()
  await down.next()
  clock.advance(30_000)
  await until(() => client.connection().state === 'waiting')
  assert.match(client.connection().lastError ?? '', /does not say within 30 s which global it is/)
  clock.advance(1_000)
  await global.down.take()
})
