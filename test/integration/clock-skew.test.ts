// Replicas whose clocks differ by minutes: who leads, what is newer and who is alive is judged by the database's clock and by order, so none of
// them gains or loses anything by it, and what one of them issues is good at the others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identity } from '../../apps/demo/src/resources.ts'
import { dataplaneToken, getJson, until } from '../../apps/demo/src/rest.ts'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { isObject } from '../chaos/canonical.ts'
import { ledWork } from './led-work.ts'
import { leadingPlanes, otherOf, patienceMs, type ReplicaName, replicaNames } from './leading-planes.ts'
import { proxyGroup } from './watched-proxy.ts'

const leaseMs = 8000
/** Many leases, and less than what tokens and certificates are valid before they are made. */
const aheadMs = 240_000
const zones: readonly ReplicaName[] = ['zone-a', 'zone-b']

const policy = (seconds: number): object => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name: 'slow',
  spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${seconds}s` } }] },
})

test('replicas whose clocks differ by minutes', { skip: withoutPostgres(), timeout: 580_000 }, async (t) => {
  const planes = await leadingPlanes({ leaseMs, aheadMs: (name) => (name.endsWith('b') ? aheadMs : 0) })
  t.after(() => planes[Symbol.asyncDispose]())
  const work = ledWork(planes)
  const groups = { 'zone-a': proxyGroup(planes.proxies('zone-a')), 'zone-b': proxyGroup(planes.proxies('zone-b')) }
  t.after(() => {
    for (const group of Object.values(groups)) group.close()
  })
  const shows = (name: ReplicaName, seconds: number): Promise<unknown> =>
    until(
      `${seconds}s at ${name}`,
      async () => JSON.stringify((await getJson(`${planes.api(name)}/meshes/default/meshtimeouts`)) ?? '').includes(`"${seconds}s"`),
      patienceMs,
    )
  const tokenFrom = (name: ReplicaName, workload: string): Promise<string> =>
    dataplaneToken(planes.api(name), workload, { timeoutMs: patienceMs })
  const isComplete = (): Promise<unknown> =>
    until(
      'all proxies are served',
      async () => Object.values(groups).every(({ all }) => all.every(({ proxy }) => proxy.completeAt !== undefined)),
      patienceMs,
    )
  /** The replica that a proxy is connected to, as one of them shows it. */
  const holder = async (at: ReplicaName, proxy: string): Promise<string | undefined> => {
    const found = await getJson(`${planes.api(at)}/meshes/default/dataplanes/${proxy}/_overview`)
    const insight = isObject(found) && isObject(found['dataplaneInsight']) ? found['dataplaneInsight'] : {}
    const last: unknown = Array.isArray(insight['subscriptions']) ? insight['subscriptions'].at(-1) : undefined
    return isObject(last) && !last['disconnectTime'] ? String(last['controlPlaneInstanceId']) : undefined
  }
  const instanceOf = async (name: ReplicaName): Promise<string> => {
    const index = await getJson(planes.api(name))
    return isObject(index) ? String(index['instanceId']) : ''
  }

  // the fast ones come first: all keys and authorities are theirs
  for (const name of ['global-b', 'global-a', 'zone-b', 'zone-a'] as const) await planes.start(name)

  await t.test('one of each role leads, for as long as the database says', async () => {
    await work.put('global-b', 'meshidentities/identity', identity)
    await work.put('global-b', 'meshtimeouts/slow', policy(1))
    for (const name of replicaNames) await shows(name, 1)
    for (const through of zones) await work.generated(through, zones)
    for (const role of ['global', 'zone'] as const) {
      const [row] = await planes.server.query(
        planes.database(role),
        `SELECT extract(epoch FROM until - clock_timestamp())::float8 * 1000 AS left FROM weft.leases WHERE name = 'leader'`,
      )
      assert.ok(Number(row?.['left']) <= leaseMs, `${String(row?.['left'])} ms are left`)
    }
    await work.isFencedThroughout()
  })

  await t.test('what one issues is good at the other', async () => {
    for (const [index, at] of zones.entries())
      groups[at === 'zone-a' ? 'zone-a' : 'zone-b'].add('sidecar', {
        index,
        backends: false,
        token: await tokenFrom(otherOf(at), `svc-${index}`),
      })
    await isComplete()
    for (const group of Object.values(groups)) group.mark()
  })

  await t.test('the last write counts, whichever clock is behind', async () => {
    for (const [seconds, name] of [
      [2, 'global-b'],
      [3, 'global-a'],
      [4, 'global-b'],
    ] as const) {
      await work.put(name, 'meshtimeouts/slow', policy(seconds))
      for (const each of replicaNames) await shows(each, seconds)
    }
  })

  await t.test('a proxy that comes from the fast one to the slow one, and back, is where it is, with all it needs', async () => {
    const token = await tokenFrom('zone-a', 'svc-2')
    for (const at of ['zone-b', 'zone-a', 'zone-b'] as const) {
      const group = groups[at]
      const { name, proxy } = group.add('sidecar', { index: 2, backends: false, token })
      await until(`${name} is served by ${at}`, async () => proxy.completeAt !== undefined, patienceMs)
      const id = await instanceOf(at)
      for (const each of zones) await until(`${each} shows ${name} at ${at}`, async () => (await holder(each, name)) === id, patienceMs)
      proxy.close()
      for (const each of zones) await until(`${each} shows ${name} gone`, async () => (await holder(each, name)) === undefined, patienceMs)
    }
  })

  await t.test('the death of the leader, once of either clock', async () => {
    // what was told of the proxy that left on purpose is no loss
    for (const group of Object.values(groups)) group.mark()
    for (let turn = 0; turn < 2; turn++) {
      const killed = await planes.leader('zone')
      await planes.processes.kill(killed)
      const next = await planes.leader('zone', killed)
      assert.equal(next, otherOf(killed))
      await work.generated(next, [next])
      await planes.start(killed)
      for (const name of zones) for (const workload of work.registered) await work.shown(workload, name)
    }
    await work.isFencedThroughout()
  })

  await t.test('nothing was lost, and no log has a hole', async () => {
    for (const { losses } of Object.values(groups)) assert.deepEqual([losses.removed, losses.shrunk], [[], []])
    assert.deepEqual(await work.logFaults('global', ['global-a', 'global-b']), [])
    assert.deepEqual(await work.logFaults('zone', zones), [])
    for (const name of replicaNames) assert.doesNotMatch(planes.log(name), /uncaught exception|unhandled rejection|not yet valid/, name)
  })
})
