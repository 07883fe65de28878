// One of two replicas leads: what it writes is fenced, and the other takes over whatever becomes of it, without a change for any proxy.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identity } from '../../apps/demo/src/resources.ts'
import { dataplaneToken, getJson, http, until } from '../../apps/demo/src/rest.ts'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { ledWork } from './led-work.ts'
import { leadingPlanes, otherOf, patienceMs, putDataplane, type ReplicaName, replicaNames } from './leading-planes.ts'
import { proxyGroup, services } from './watched-proxy.ts'

/** Short, so that nobody waits for long, and long enough for a busy machine to renew in time most of the time. What is claimed holds for any. */
const leaseMs = 8000

const policy = (seconds: number): object => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name: 'slow',
  spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${seconds}s` } }] },
})

test('two replicas of a global and of a zone', { skip: withoutPostgres(), timeout: 900_000 }, async (t) => {
  const planes = await leadingPlanes({ leaseMs })
  t.after(() => planes[Symbol.asyncDispose]())
  const { put, generated, shown, writersOf, isFencedThroughout } = ledWork(planes)

  const shows = (name: ReplicaName, seconds: number): Promise<unknown> =>
    until(
      `${seconds}s at ${name}`,
      async () =>
        JSON.stringify((await getJson(`${planes.api(name)}/meshes/default/meshtimeouts`)) ?? '').includes(
          `"connectionTimeout":"${seconds}s"`,
        ),
      patienceMs,
    )
  const groups = { a: proxyGroup(planes.proxies('zone-a')), b: proxyGroup(planes.proxies('zone-b')) }
  t.after(() => {
    groups.a.close()
    groups.b.close()
  })
  const tokens: string[] = []
  const isServed = (): Promise<unknown> =>
    until(
      'all proxies are served',
      async () => [...groups.a.all, ...groups.b.all].every(({ proxy }) => proxy.completeAt !== undefined),
      patienceMs,
    )
  const losts = (name: ReplicaName): number => planes.log(name).split('lease lost').length
  const losses = (): unknown => [groups.a, groups.b].map(({ losses: { removed, shrunk } }) => [removed, shrunk])
  const none = [
    [[], []],
    [[], []],
  ]

  await t.test('start together on empty databases: one of each role leads and generates, both serve', async () => {
    await Promise.all([planes.start('global-a'), planes.start('global-b')])
    await Promise.all([planes.start('zone-a'), planes.start('zone-b')])
    await put('global-b', 'meshidentities/identity', identity)
    await put('global-b', 'meshtimeouts/slow', policy(1))
    for (const name of replicaNames) await shows(name, 1)
    const leader = await planes.leader('zone')
    // through the one that does not lead
    const workload = await generated(otherOf(leader), ['zone-a', 'zone-b'])
    assert.ok((await writersOf('zone', `MeshService ${workload}`)).length > 0)
    for (let service = 0; service < services; service += 1)
      tokens[service] = await dataplaneToken(planes.api(leader), `svc-${service}`, { timeoutMs: patienceMs })
    for (let index = 0; index < services; index += 1)
      groups[index % 2 === 0 ? 'a' : 'b'].add('sidecar', { index, token: tokens[index] ?? '' })
    await isServed()
    await isFencedThroughout()
    for (const group of Object.values(groups)) group.mark()
  })

  await t.test('a paused leader is replaced; when it goes on it writes nothing, and serves as before', async () => {
    // a stream whose keep-alive is on its way in the very moment of the pause is given up when it ends
    let haveStreamsLived = false
    for (let round = 0; round < 3 && !haveStreamsLived; round += 1) {
      const paused = { global: await planes.leader('global'), zone: await planes.leader('zone') }
      const before = { global: await planes.lease('global'), zone: await planes.lease('zone') }
      const own = groups[paused.zone === 'zone-a' ? 'a' : 'b'].all
      const disconnects = own.map(({ proxy }) => proxy.disconnects)
      const known = Object.fromEntries(Object.values(paused).map((name) => [name, losts(name)]))
      for (const name of Object.values(paused)) planes.signal(name, 'SIGSTOP')
      const next = { global: await planes.leader('global', paused.global), zone: await planes.leader('zone', paused.zone) }
      assert.deepEqual(next, { global: otherOf(paused.global), zone: otherOf(paused.zone) })
      const workload = await generated(next.zone, [next.zone])
      assert.deepEqual(await writersOf('zone', `MeshService ${workload}`), [next.zone])
      for (const name of Object.values(paused)) planes.signal(name, 'SIGCONT')
      // it has read what the other did, and looked at its lease: had it anything to write, it would have by now
      await shown(workload, paused.zone)
      for (const name of Object.values(paused)) await until(`${name} knows`, async () => losts(name) > (known[name] ?? 0), patienceMs)
      const later = await generated(paused.zone, ['zone-a', 'zone-b'])
      const writes = await planes.ledWrites('zone')
      const since = writes.filter(({ epoch }) => epoch > before.zone.epoch)
      assert.ok(since.some(({ resource }) => resource === `MeshService ${later}`))
      await isFencedThroughout()
      haveStreamsLived = own.every(({ proxy }, at) => proxy.disconnects === disconnects[at])
      await isServed()
    }
    assert.ok(haveStreamsLived, 'the streams of the paused one live')
    assert.deepEqual(losses(), none)
  })

  await t.test('a killed leader is replaced, and its place taken by a new process that follows', async () => {
    const killed = await planes.leader('zone')
    await planes.processes.kill(killed)
    const next = await planes.leader('zone', killed)
    assert.equal(next, otherOf(killed))
    const workload = await generated(next, [next])
    assert.deepEqual(await writersOf('zone', `MeshService ${workload}`), [next])
    // the session with global has moved along
    await put('global-a', 'meshtimeouts/slow', policy(2))
    await shows(next, 2)
    await planes.start(killed)
    await shown(workload, killed)
    await isFencedThroughout()
    assert.deepEqual(losses(), none)
  })

  await t.test('one that stops in order hands over: nobody waits for its lease to end', async () => {
    for (const role of ['global', 'zone'] as const) {
      const stopped = await planes.leader(role)
      const { epoch } = await planes.lease(role)
      await planes.processes.stop(stopped, patienceMs)
      const next = await planes.leader(role, stopped)
      assert.equal(next, otherOf(stopped))
      // given back, then taken: a lease that had to end by itself counts once
      assert.ok((await planes.lease(role)).epoch >= epoch + 2)
      assert.match(planes.log(stopped), /lease given back/)
      await planes.start(stopped)
    }
    await generated('zone-a', ['zone-a', 'zone-b'])
    await isFencedThroughout()
    assert.deepEqual(losses(), none)
  })

  await t.test('without the database for longer than a lease nobody leads and nothing is written; then all heals alone', async () => {
    const leaders = [await planes.leader('global'), await planes.leader('zone')]
    const before = leaders.map(losts)
    await planes.server.kill()
    for (const [at, name] of leaders.entries()) await until(`${name} gives up`, async () => losts(name) > (before[at] ?? 0), patienceMs)
    await until('writes are refused', async () => (await putDataplane(planes.api('zone-a'), 'never', '10.9.9.9')) === 503, patienceMs)
    for (const name of replicaNames)
      await until(`reads at ${name}`, async () => (await http('GET', `${planes.api(name)}/meshes/default`)).status === 200, patienceMs)
    await planes.server.start()
    await generated('zone-b', ['zone-a', 'zone-b'])
    await put('global-b', 'meshtimeouts/slow', policy(3))
    for (const name of replicaNames) await shows(name, 3)
    await isFencedThroughout()
    assert.deepEqual(losses(), none)
  })

  await t.test('at the end both replicas of a zone show the same', async () => {
    const shown = async (name: ReplicaName): Promise<string> => {
      const lists = await Promise.all(
        ['meshservices', 'workloads', 'dataplanes'].map((kind) => getJson(`${planes.api(name)}/meshes/default/${kind}?size=1000`)),
      )
      return JSON.stringify(lists)
    }
    await until('the same', async () => (await shown('zone-a')) === (await shown('zone-b')), patienceMs)
    for (const name of replicaNames) assert.doesNotMatch(planes.log(name), /uncaught exception|unhandled rejection/, name)
  })
})
