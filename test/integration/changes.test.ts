// Single changes followed to the last proxy's ACK, by the composed control planes over real gRPC and REST.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { http, until } from '../../apps/demo/src/rest.ts'
import { type ControlPlanes, controlPlanes, type Role, zone } from './control-planes.ts'
import { proxyGroup, services } from './watched-proxy.ts'

interface Change {
  readonly seq: number
  readonly op: string
  readonly name: string
  readonly originSeq?: number
  readonly zones: readonly {
    readonly zone: string
    readonly state: string
    readonly storedMs?: number
    readonly pushedMs?: number
    readonly ackedMs?: number
  }[]
}

/** The newest change of a name. */
async function changeOf(
  planes: ControlPlanes,
  role: Role,
  { name, op = 'put' }: { name: string; op?: string },
): Promise<Change | undefined> {
  // the shape is that of ChangeReport
  const report = (await planes.get(role, `/_weft/changes?limit=1000&name=${name}`)) as { readonly items: readonly Change[] } | undefined
  return report?.items.find((change) => change.op === op)
}

const stateIn = (change: Change | undefined): string | undefined => change?.zones.find((each) => each.zone === zone)?.state

/** The first by name wins over those that every mesh has. */
const timeout = (seconds: number) => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name: 'first',
  spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${seconds}s` } }] },
})

test('a policy written at global is seen stored in its zone, pushed and acked by its proxies; so are its change and its deletion', async (t) => {
  await using planes = await controlPlanes({ env: { KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE: 'none' } })
  await planes.start('global')
  await planes.put('global', '/meshes/default', { type: 'Mesh', name: 'default', meshServices: { mode: 'Exclusive' } })
  await planes.start('zone')
  await until('the mesh in the zone', async () => (await planes.get('zone', '/meshes/default')) !== undefined)
  const received: string[] = []
  const group = proxyGroup(planes.proxies, { onResponse: (proxy, { type }) => received.push(`${proxy} ${type}`) })
  try {
    for (let index = 0; index < 2 * services; index++) group.add('sidecar', { index, token: '' })
    await until('all proxies complete', async () => group.all.every(({ proxy }) => proxy.completeAt !== undefined))
    for (const seconds of [7, 8]) {
      received.length = 0
      await planes.put('global', '/meshes/default/meshtimeouts/first', timeout(seconds))
      await until('acked', async () => stateIn(await changeOf(planes, 'global', { name: 'first' })) === 'acked')
      assert.equal(new Set(received.map((line) => line.split(' ')[0])).size, group.all.length, 'every proxy had got it by then')
      const change = await changeOf(planes, 'global', { name: 'first' })
      const [there] = change?.zones ?? []
      assert.ok(there?.storedMs !== undefined && there.pushedMs !== undefined && there.ackedMs !== undefined)
      assert.ok(there.storedMs <= there.pushedMs && there.pushedMs <= there.ackedMs)
      t.diagnostic(`stored ${there.storedMs} ms, pushed ${there.pushedMs} ms, acked ${there.ackedMs} ms after the commit`)
      const report = (await planes.get('zone', '/_weft/changes?type=MeshTimeout')) as { readonly items: readonly Change[] }
      assert.deepEqual(
        report.items.slice(0, 1).map((seen) => [seen.originSeq, stateIn(seen)]),
        [[change?.seq, 'acked']],
      )
    }
    await until('no proxy is waited for', async () => {
      const { proxies } = (await planes.get('zone', '/_weft/changes')) as { readonly proxies: readonly unknown[] }
      return proxies.length === 0
    })
    await planes.remove('global', '/meshes/default/meshtimeouts/first')
    await until('the deletion acked', async () => stateIn(await changeOf(planes, 'global', { name: 'first', op: 'delete' })) === 'acked')
    const metrics = await http('GET', `${planes.diagnostics('global')}/metrics`)
    assert.match(metrics.text, /kds_convergence_seconds_count\{stage="acked"\} [1-9]/)
  } finally {
    group.close()
  }
})
