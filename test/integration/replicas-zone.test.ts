// Two control planes of one zone on one PostgreSQL: every question is answered by either, and the death of one is no loss to anybody.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { http, put, until } from '../../apps/demo/src/rest.ts'
import { type AdminProxy, adminProxy, counted, dumped } from './admin-proxy.ts'
import { codec } from '../../packages/proto/src/index.ts'
import { createBalancer } from './balancer.ts'
import { type ReplicaName, replicaPlanes } from './replica-planes.ts'
import { proxyGroup, type ProxyGroupOptions, services } from './watched-proxy.ts'

const patience = 120_000
const both: readonly ReplicaName[] = ['zone-1', 'zone-2']
const refused = { seconds: 13, words: 'no connection may take that long' } as const
const endpointType = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment'

test('two replicas of a standalone zone', { skip: withoutPostgres(), timeout: 600_000 }, async (t) => {
  await using planes = await replicaPlanes({
    standalone: true,
    env: { KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE: 'none', KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY: '15s' },
  })
  await Promise.all(both.map((name) => planes.start(name)))
  await put(planes.api('zone-1'), '/meshes/default', { type: 'Mesh', name: 'default', meshServices: { mode: 'Exclusive' } })
  const [one, two] = [planes.port('zone-1'), planes.port('zone-2')]
  await using toOne = await createBalancer([one, two])
  await using toTwo = await createBalancer([two, one])
  let picky: string | undefined
  const refuses: ProxyGroupOptions['refuses'] = (proxy, type, resource) =>
    proxy === picky && type === 'cluster' && secondsToConnect(resource) === refused.seconds ? refused.words : undefined
  const groups = [proxyGroup(toOne.address, { refuses }), proxyGroup(toTwo.address, { refuses })] as const
  const admins: AdminProxy[] = []
  t.after(() => {
    for (const group of groups) group.close()
    for (const each of admins) each.close()
  })
  const all = () => groups.flatMap((group) => group.all)
  const complete = (): Promise<number> =>
    until('all proxies are complete', async () => all().every(({ proxy }) => proxy.completeAt !== undefined), patience)
  const holder = async (name: string): Promise<string | undefined> => {
    const insight = await planes.get('zone-1', `/meshes/default/dataplanes/${name}/_overview`)
    // an overview as the API shows it
    const subscriptions = (
      insight as { readonly dataplaneInsight?: { readonly subscriptions?: readonly Record<string, string>[] } } | undefined
    )?.dataplaneInsight?.subscriptions
    const last = subscriptions?.at(-1)
    return last?.['disconnectTime'] ? undefined : last?.['controlPlaneInstanceId']
  }
  const endpoints = async (at: ReplicaName, name: string): Promise<string> => {
    const config = await planes.get(at, `/meshes/default/dataplanes/${name}/_config`)
    return JSON.stringify((config as { readonly xds?: Record<string, unknown> } | undefined)?.xds?.[endpointType] ?? null)
  }

  await t.test('serve proxies of one mesh, each its own', async () => {
    for (let index = 0; index < 2 * services; index++) groups[index % 2]?.add('sidecar', { index, token: '' })
    await complete()
    const ids = [await planes.instanceId('zone-1'), await planes.instanceId('zone-2')]
    for (const [i, group] of groups.entries())
      for (const { name } of group.all) await until(`${name} is held`, async () => (await holder(name)) === ids[i], patience)
  })

  await t.test('answer for the proxies of each other: configuration and admin', async () => {
    for (const { name } of [groups[0].all[0], groups[1].all[0]].flatMap((each) => each ?? [])) {
      const isAlike = async (): Promise<boolean> => {
        const configs = await Promise.all(both.map((at) => planes.get(at, `/meshes/default/dataplanes/${name}/_config`)))
        return configs[0] !== undefined && isDeepStrictEqual(configs[0], configs[1])
      }
      await until(`both show the configuration of ${name}`, isAlike, patience)
    }
    for (const [index, address] of [toOne.address, toTwo.address].entries()) {
      const found = await adminProxy(address, index)
      admins.push(found)
      const { name, proxy } = found
      await until(`${name} is served`, async () => proxy.readyAt !== undefined, patience)
      await until(`${name} is held`, async () => (await holder(name)) !== undefined, patience)
      for (const at of both) {
        for (const [what, expected] of [
          ['xds', dumped],
          ['stats', counted],
        ] as const) {
          let last = ''
          const isAnswered = async (): Promise<boolean> => {
            const { status, text } = await http('GET', `${planes.api(at)}/meshes/default/dataplanes/${name}/${what}`)
            last = `${status} ${text}`
            return last === `200 ${expected}`
          }
          await until(`${what} of ${name} at ${at}`, isAnswered, patience).catch((error: unknown) =>
            assert.fail(`${String(error)}: ${last}`),
          )
        }
      }
    }
  })

  await t.test('what an Envoy refuses, and in which words, is told by either', async () => {
    const policy = '/meshes/default/meshtimeouts/a-refused'
    for (const { name } of [groups[0].all[0], groups[1].all[0]].flatMap((each) => each ?? [])) {
      picky = name
      await put(planes.api('zone-1'), policy, {
        type: 'MeshTimeout',
        mesh: 'default',
        name: 'a-refused',
        spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${refused.seconds}s` } }] },
      })
      for (const at of both) {
        let shown = ''
        const isTold = async (): Promise<boolean> => {
          shown = JSON.stringify(await planes.get(at, '/_weft/rejections'))
          return shown.includes('"name":"a-refused"') && shown.includes(refused.words) && shown.includes(`"name":"${name}"`)
        }
        await until(`${at} tells what ${name} refuses`, isTold, patience).catch((error: unknown) =>
          assert.fail(`${String(error)}: ${shown}`),
        )
        const words = new RegExp(`"rejected":\\{"message":"[^"]*${refused.words}`)
        const isExplained = async (): Promise<boolean> =>
          words.test(JSON.stringify((await planes.get(at, `/meshes/default/dataplanes/${name}/_explain?policy=MeshTimeout`)) ?? null))
        await until(`${at} explains what ${name} refuses`, isExplained, patience)
      }
      const areAlike = async (): Promise<boolean> => {
        const answers = await Promise.all(both.map((at) => planes.get(at, '/_weft/rejections')))
        return answers[0] !== undefined && isDeepStrictEqual(answers[0], answers[1])
      }
      await until('both tell the same', areAlike, patience)
      picky = undefined
      const removed = await http('DELETE', `${planes.api('zone-2')}${policy}`)
      assert.equal(removed.status, 200, removed.text)
      for (const at of both) {
        const isOver = async (): Promise<boolean> => JSON.stringify(await planes.get(at, '/_weft/rejections')) === '{"items":[]}'
        await until(`nothing is refused at ${at}`, isOver, patience)
      }
      // who never got what went in between would not be sent the same again
      const holdIt = (): boolean =>
        all().some(({ proxy }) =>
          [...proxy.held.cluster.values()].some(({ connectTimeoutMs }) => connectTimeoutMs === refused.seconds * 1000),
        )
      await until('no proxy holds it any more', async () => !holdIt(), patience)
    }
  })

  await t.test('a proxy that leaves one is out of the configuration of the other', async () => {
    const leaving = groups[1].add('sidecar', { index: 20, token: '' })
    const client = groups[0].all.find(({ name }) => name.startsWith('svc-4-'))
    assert.ok(client)
    await complete()
    const before = '10.10.0.21'
    await until('its endpoint is there', async () => (await endpoints('zone-1', client.name)).includes(before), patience)
    leaving.proxy.close()
    await until('degraded', async () => (await endpoints('zone-1', client.name)).includes('DEGRADED'), patience)
    await until('gone', async () => !(await endpoints('zone-1', client.name)).includes(before), patience)
    assert.ok(!(await endpoints('zone-1', client.name)).includes('DEGRADED'))
  })

  await t.test('kill -9 of one: its proxies go on at the other, and no load assignment changes', async () => {
    const moving = groups[1].all.filter(({ proxy }) => proxy.isConnected)
    const survivor = await planes.instanceId('zone-1')
    for (const group of groups) group.mark()
    await planes.kill('zone-2')
    for (const { name } of moving) await until(`${name} moved`, async () => (await holder(name)) === survivor, patience)
    await until('all follow again', async () => moving.every(({ proxy }) => proxy.isConnected && proxy.completeAt !== undefined), patience)
    await until('the death is known', async () => planes.log('zone-1').includes('replica is dead'), patience)
    for (const { name } of [...groups[0].all, ...moving]) assert.ok(!(await endpoints('zone-1', name)).includes('DEGRADED'), name)
    for (const { losses } of groups) assert.deepEqual([losses.removed, losses.shrunk], [[], []])
  })

  await t.test('and what is changed now reaches them', async () => {
    const [any] = groups[1].all
    assert.ok(any)
    await put(planes.api('zone-1'), '/meshes/default/meshtimeouts/a-slow', {
      type: 'MeshTimeout',
      mesh: 'default',
      name: 'a-slow',
      spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '7s' } }] },
    })
    await until(
      'the policy is there',
      async () => JSON.stringify(await planes.get('zone-1', `/meshes/default/dataplanes/${any.name}/_config`)).includes('"7s"'),
      patience,
    )
  })
})

function secondsToConnect(cluster: Uint8Array): number {
  return Number(codec('envoy.config.cluster.v3.Cluster').decode(cluster).connectTimeout?.seconds ?? 0)
}
