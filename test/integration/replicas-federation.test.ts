// Two global and two zone control planes, each pair on one PostgreSQL: whichever is asked answers, and whichever dies is done without.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { http, put, until } from '../../apps/demo/src/rest.ts'
import { type AdminProxy, adminProxy, counted, dumped } from './admin-proxy.ts'
import { createBalancer } from './balancer.ts'
import { type ReplicaName, replicaPlanes } from './replica-planes.ts'
import { proxyGroup, services } from './watched-proxy.ts'

const patience = 180_000
const globals: readonly ReplicaName[] = ['global-1', 'global-2']
const zones: readonly ReplicaName[] = ['zone-1', 'zone-2']

/** As `GET /_weft/changes` shows it. */
interface Changes {
  readonly items: readonly {
    readonly seq: number
    readonly originSeq?: number
    readonly zones: readonly { readonly zone: string; readonly state: string }[]
  }[]
  readonly zones: readonly unknown[]
  readonly proxies?: readonly { readonly proxy: string; readonly what: string }[]
}

interface Listed {
  readonly items?: readonly { readonly name: string; readonly labels?: Readonly<Record<string, string>> }[]
}

test('a federation of replicas', { skip: withoutPostgres(), timeout: 900_000 }, async (t) => {
  await using planes = await replicaPlanes({
    env: { KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE: 'none', WEFT_LEASE_DURATION: '10s' },
  })
  await planes.start('global-1')
  await Promise.all((['global-2', ...zones] as const).map((name) => planes.start(name)))
  await put(planes.api('global-2'), '/meshes/default', { type: 'Mesh', name: 'default', meshServices: { mode: 'Exclusive' } })
  const [one, two] = [planes.port('zone-1'), planes.port('zone-2')]
  await using toOne = await createBalancer([one, two])
  await using toTwo = await createBalancer([two, one])
  const groups = [proxyGroup(toOne.address), proxyGroup(toTwo.address)] as const
  const admins: AdminProxy[] = []
  t.after(() => {
    for (const group of groups) group.close()
    for (const each of admins) each.close()
  })
  const all = () => groups.flatMap((group) => group.all)
  const config = async (at: ReplicaName, name: string): Promise<string> =>
    JSON.stringify((await planes.get(at, `/meshes/default/dataplanes/${name}/_config`)) ?? null)
  let seconds = 10
  const write = (at: ReplicaName): Promise<void> => {
    seconds += 1
    return put(planes.api(at), '/meshes/default/meshtimeouts/a-slow', {
      type: 'MeshTimeout',
      mesh: 'default',
      name: 'a-slow',
      spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${seconds}s` } }] },
    })
  }
  /** A policy that is written at one global replica is in the configuration of a proxy of each zone replica. */
  const reaches = async (from: ReplicaName, at: readonly ReplicaName[]): Promise<void> => {
    await write(from)
    for (const group of groups) {
      const { name } = group.all[0] ?? assert.fail()
      for (const asked of at) {
        await until(
          `${seconds}s of ${from} for ${name} at ${asked}`,
          async () => (await config(asked, name)).includes(`"${seconds}s"`),
          patience,
        )
      }
    }
  }
  const isConnectedTo = async (at: ReplicaName): Promise<string | undefined> => {
    const status = (await planes.get(at, '/zones/east/_overview')) as
      | { readonly zoneInsight?: { readonly subscriptions?: readonly Record<string, string>[] } }
      | undefined
    const last = status?.zoneInsight?.subscriptions?.at(-1)
    return last?.['disconnectTime'] ? undefined : last?.['globalInstanceId']
  }

  const changes = async (at: ReplicaName): Promise<Changes> =>
    ((await planes.get(at, '/_weft/changes?type=MeshTimeout')) as Changes | undefined) ?? { items: [], zones: [] }
  /** The newest change of a MeshTimeout at global, and how far it is as a replica of global or of the zone says. */
  const newest = async (): Promise<number> => (await changes('global-2')).items[0]?.seq ?? 0
  const stateOf = async (seq: number, at: ReplicaName): Promise<string | undefined> => {
    const isGlobal = globals.includes(at)
    const found = (await changes(at)).items.find((change) => (isGlobal ? change.seq : change.originSeq) === seq)
    return found?.zones.find(({ zone }) => zone === 'east')?.state
  }
  const hasArrived = async (at: readonly ReplicaName[]): Promise<void> => {
    const seq = await newest()
    for (const each of at) await until(`${each} says that it arrived`, async () => (await stateOf(seq, each)) === 'acked', patience)
  }

  const isUnderWay = async (seq: number): Promise<boolean> => ['stored', 'pushed'].includes((await stateOf(seq, 'global-2')) ?? '')
  /** The newest change, once it is in the store of the zone; while a proxy is silent it comes no further. */
  const newestUnderWay = async (): Promise<number> => {
    let seq = 0
    await until(
      'the newest change is in the zone',
      async () => {
        seq = await newest()
        return isUnderWay(seq)
      },
      patience,
    )
    return seq
  }

  await t.test('a policy of either global reaches proxies of either zone replica', async () => {
    for (let index = 0; index < 2 * services; index++) groups[index % 2]?.add('sidecar', { index, token: '' })
    await until('all proxies are complete', async () => all().every(({ proxy }) => proxy.completeAt !== undefined), patience)
    for (const from of globals) await reaches(from, zones)
  })

  await t.test('every replica reaches the Envoy of every proxy', async () => {
    admins.push(await adminProxy(toOne.address, 0), await adminProxy(toTwo.address, 1))
    for (const { name, proxy } of admins) {
      await until(`${name} is served`, async () => proxy.readyAt !== undefined, patience)
      for (const at of [...globals, ...zones]) {
        let last = ''
        const ask = async (): Promise<boolean> => {
          const listed = (await planes.get(at, '/meshes/default/dataplanes?size=1000')) as Listed | undefined
          const found = listed?.items?.find(({ labels, name: known }) => (labels?.['kuma.io/display-name'] ?? known) === name)
          if (!found) return false
          const path = `${planes.api(at)}/meshes/default/dataplanes/${found.name}`
          const [dump, stats] = [await http('GET', `${path}/xds`), await http('GET', `${path}/stats`)]
          last = `${dump.status} ${dump.text}, ${stats.status} ${stats.text}`
          return dump.text === dumped && stats.text === counted
        }
        await until(`${name} at ${at}`, ask, patience).catch((error: unknown) => assert.fail(`${String(error)}: ${last}`))
      }
    }
  })

  await t.test('every replica shows sync, whichever has the session', async () => {
    const sessionAt = async (at: ReplicaName): Promise<unknown> => {
      const shown = (await planes.get(at, '/_weft/sync')) as {
        readonly zones?: readonly { readonly zone: string; readonly state: string; readonly session?: { readonly instanceId: string } }[]
      }
      const zone = shown.zones?.find((each) => each.zone === 'east')
      const overview = (await planes.get(at, '/zones/east/_overview')) as { readonly liveness?: { readonly state?: string } }
      return [zone?.state, zone?.session?.instanceId, overview.liveness?.state]
    }
    for (const at of globals) {
      await until(
        `${at} shows it`,
        async () => {
          const leader = await planes.instanceId(await planes.leader(zones))
          return JSON.stringify(await sessionAt(at)) === JSON.stringify(['Online', leader, 'Online'])
        },
        patience,
      )
    }
    for (const at of zones) {
      const isShown = async (): Promise<boolean> => JSON.stringify(await planes.get(at, '/_weft/sync')).includes('"state":"connected"')
      await until(`${at} shows global`, isShown, patience)
    }
  })

  await t.test('a change has arrived when it has at the proxies of both zone replicas, whichever replica is asked', async () => {
    const planesOfAll = [...globals, ...zones]
    for (const group of groups) {
      const { name, proxy } = group.all[0] ?? assert.fail()
      proxy.keepSilent()
      await write('global-1')
      await until(
        'both globals have it',
        async () => {
          const [a, b] = await Promise.all(globals.map(changes))
          return a?.items[0] !== undefined && a.items[0].seq === b?.items[0]?.seq
        },
        patience,
      )
      const seq = await newest()
      for (const at of zones) {
        let shown: unknown
        const isNamed = async (): Promise<boolean> => {
          const { items, proxies = [] } = await changes(at)
          shown = proxies
          return items[0]?.originSeq === seq && proxies.length === 1 && proxies[0]?.proxy === `default/${name}`
        }
        await until(`${at} waits for ${name} alone`, isNamed, patience).catch((error: unknown) =>
          assert.fail(`${String(error)}: ${JSON.stringify(shown)}`),
        )
      }
      for (const at of planesOfAll) {
        await until(`${at} shows it in the zone`, async () => ['stored', 'pushed'].includes((await stateOf(seq, at)) ?? ''), patience)
      }
      proxy.answer()
      await hasArrived(planesOfAll)
      for (const pair of [globals, zones]) {
        const areAlike = async (): Promise<boolean> => {
          const [a, b] = await Promise.all(pair.map(changes))
          return a?.items[0] !== undefined && isDeepStrictEqual(a.items[0], b?.items[0])
        }
        await until(`${pair.join(' and ')} show the same`, areAlike, patience)
      }
    }
  })

  await t.test('kill -9 of the global that has the zone: the zone comes to the other, and nothing is lost', async () => {
    const ids = await Promise.all(globals.map((name) => planes.instanceId(name)))
    await until('the first has it', async () => (await isConnectedTo('global-2')) === ids[0], patience)
    for (const group of groups) group.mark()
    const { proxy } = groups[0].all[0] ?? assert.fail()
    proxy.keepSilent()
    await write('global-1')
    const underWay = await newestUnderWay()
    await planes.kill('global-1')
    await until('the other has it', async () => (await isConnectedTo('global-2')) === ids[1], patience)
    await until('what the dead one sent is followed on', () => isUnderWay(underWay), patience)
    proxy.answer()
    await until('and has arrived', async () => (await stateOf(underWay, 'global-2')) === 'acked', patience)
    await reaches('global-2', zones)
    await hasArrived(['global-2', ...zones])
    for (const { losses } of groups) assert.deepEqual([losses.removed, losses.shrunk], [[], []])
  })

  await t.test('kill -9 of the zone replica that has the session: the other goes on with everything', async () => {
    const leader = await planes.leader(zones)
    const [left] = zones.filter((name) => name !== leader)
    assert.ok(left)
    for (const group of groups) group.mark()
    const { proxy } = groups[zones.indexOf(left)]?.all[0] ?? assert.fail()
    proxy.keepSilent()
    await write('global-2')
    const underWay = await newestUnderWay()
    await planes.kill(leader)
    assert.equal(await planes.leader([left]), left)
    await until('all follow again', async () => all().every(({ proxy }) => proxy.isConnected && proxy.completeAt !== undefined), patience)
    await until('what came to the dead one is waited for', () => isUnderWay(underWay), patience)
    proxy.answer()
    await until('and has arrived', async () => (await stateOf(underWay, 'global-2')) === 'acked', patience)
    await reaches('global-2', [left])
    await hasArrived(['global-2', left])
    for (const { losses } of groups) assert.deepEqual([losses.removed, losses.shrunk], [[], []])
    for (const { name } of all()) assert.ok(!(await config(left, name)).includes('DEGRADED'), name)
  })
})
