// Two control planes of one zone on one PostgreSQL: every question is answered by either, and the death of one is no loss to anybody.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { test } from 'node:test'
import { planSidecar, SimulatedProxy } from '../../packages/testkit/src/index.ts'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { http, put, until } from '../../apps/demo/src/rest.ts'
import { createBalancer } from './balancer.ts'
import { zone } from './control-planes.ts'
import { type ReplicaName, replicaPlanes } from './replica-planes.ts'
import { proxyGroup, services } from './watched-proxy.ts'

const patience = 120_000
const both: readonly ReplicaName[] = ['zone-1', 'zone-2']
const endpointType = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment'

/** An admin interface as Envoy's, at an address that only the proxy's own metadata tells. */
async function adminServer() {
  const server = createServer((request, response) => response.end(request.url?.startsWith('/config_dump') ? '{"configs":[]}' : 'stat: 1\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = server.address()
  assert.ok(at !== null && typeof at === 'object')
  return { port: at.port, close: () => server.close() }
}

test('two replicas of a standalone zone', { skip: withoutPostgres(), timeout: 600_000 }, async (t) => {
  await using planes = await replicaPlanes({
    standalone: true,
    env: { KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE: 'none', KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY: '2s' },
  })
  await Promise.all(both.map((name) => planes.start(name)))
  await put(planes.api('zone-1'), '/meshes/default', { type: 'Mesh', name: 'default', meshServices: { mode: 'Exclusive' } })
  const [one, two] = [planes.port('zone-1'), planes.port('zone-2')]
  await using toOne = await createBalancer([one, two])
  await using toTwo = await createBalancer([two, one])
  const groups = [proxyGroup(toOne.address), proxyGroup(toTwo.address)] as const
  const admin = await adminServer()
  const proxies: SimulatedProxy[] = []
  t.after(() => {
    for (const group of groups) group.close()
    for (const proxy of proxies) proxy.close()
    admin.close()
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
      const configs = await Promise.all(both.map((at) => planes.get(at, `/meshes/default/dataplanes/${name}/_config`)))
      assert.ok(configs[0], name)
      assert.deepEqual(configs[0], configs[1], name)
    }
    for (const [index, address] of [toOne.address, toTwo.address].entries()) {
      const name = `admin-${index}`
      const plan = { mesh: 'default', zones: [zone], services, reachable: 0, probes: 0 }
      const { node } = planSidecar(plan, { zone, name, workload: 'admin', index: 100 + index, service: 0 })
      // what this very plan wrote
      const dataplane = JSON.parse(String(node.metadata['dataplane.resource'])) as { networking: object }
      const resource = { ...dataplane, networking: { ...dataplane.networking, address: '127.0.0.1' } }
      const metadata = {
        ...node.metadata,
        'dataplane.resource': JSON.stringify(resource),
        'dataplane.admin.port': String(admin.port),
        'dataplane.admin.socketPath': '',
      }
      const proxy = new SimulatedProxy({ address, token: '', node: { ...node, metadata } })
      proxies.push(proxy)
      proxy.connect()
      await until(`${name} is served`, async () => proxy.readyAt !== undefined, patience)
      await until(`${name} is held`, async () => (await holder(name)) !== undefined, patience)
      for (const at of both) {
        const dump = await http('GET', `${planes.api(at)}/meshes/default/dataplanes/${name}/xds`)
        assert.deepEqual([dump.status, dump.text], [200, '{"configs":[]}'], `${name} at ${at}`)
        const stats = await http('GET', `${planes.api(at)}/meshes/default/dataplanes/${name}/stats`)
        assert.deepEqual([stats.status, stats.text], [200, 'stat: 1\n'], `${name} at ${at}`)
      }
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
