// A zone control plane is killed and starts again with nothing: its proxies lose nothing, and soon follow global again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { returnGraceMs } from '../../apps/control-plane/src/recovery.ts'
import { identity, permission } from '../../apps/demo/src/resources.ts'
import { until } from '../../apps/demo/src/rest.ts'
import { type ControlPlanes, controlPlanes } from './control-planes.ts'
import { type ProxyGroup, proxyGroup, services } from './watched-proxy.ts'

const sidecars = 20
/** As the plan of a group has it. */
const backendsOfEach = 4

interface Status {
  readonly recovering: boolean
  readonly meshes: readonly { readonly mesh: string; readonly phase: string; readonly waitingFor: readonly string[] }[]
}

// the route is tested where it is made
const recoveryOf = async (planes: ControlPlanes): Promise<Status | undefined> =>
  (await planes.get('zone', '/_x/recovery')) as Status | undefined

const itemsOf = async (planes: ControlPlanes, path: string): Promise<readonly unknown[]> => {
  const list = await planes.get('zone', path)
  return typeof list === 'object' && list !== null && 'items' in list && Array.isArray(list.items) ? list.items : []
}

/** How many roots each MeshTrust of the zone's domain holds, of those a control plane made itself. */
async function rootsAt(planes: ControlPlanes, role: 'global' | 'zone'): Promise<readonly number[]> {
  const list = await planes.get(role, '/meshes/default/meshtrusts')
  // the shape is the product's own
  const { items = [] } = (list ?? {}) as {
    readonly items?: readonly {
      readonly labels?: Readonly<Record<string, string>>
      readonly spec: { readonly caBundles: readonly unknown[] }
    }[]
  }
  return items.filter(({ labels }) => role === 'global' || labels?.['kuma.io/origin'] === 'zone').map(({ spec }) => spec.caBundles.length)
}

async function fill(planes: ControlPlanes, group: ProxyGroup): Promise<void> {
  const tokens = await Promise.all(Array.from({ length: services }, (_, service) => planes.token(`svc-${service}`)))
  for (let index = 0; index < sidecars; index++) group.add('sidecar', { index, token: tokens[index % services] ?? '' })
  group.add('ingress', { index: sidecars, token: await planes.token('ingress') })
  await until('all proxies complete', async () => group.all.every(({ proxy }) => proxy.completeAt !== undefined))
  // complete is who has one endpoint of each service
  await until('all endpoints of all services', async () => {
    const counts = endpointCounts(group)
    return counts.length >= sidecars * backendsOfEach && counts.every((line) => line.endsWith(` ${sidecars / services}`))
  })
  await quiet(group)
}

/** Nothing was sent for a second, in which this machine did not stand still. */
async function quiet(group: ProxyGroup): Promise<void> {
  let seen = -1
  let [quietMs, lookedAt] = [0, performance.now()]
  await until('quiet', async () => {
    const now = group.losses.replaced.length + group.all.reduce((sum, { proxy }) => sum + proxy.held.endpoint.size, 0)
    quietMs = now === seen ? quietMs + Math.min(performance.now() - lookedAt, 50) : 0
    lookedAt = performance.now()
    seen = now
    return quietMs > 1_000
  })
}

const timeout = (ms: number): object => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name: 'everywhere',
  spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${ms}ms` } }] },
})
/** Of the clusters of sidecars: those of a zone ingress follow no policy of the mesh. */
const connectTimeouts = (group: ProxyGroup): readonly number[] =>
  group.all.flatMap(({ name, proxy }) =>
    [...(name.startsWith('ingress') ? [] : proxy.held.cluster)]
      .filter(([name]) => name.startsWith('kri_msvc_'))
      .map(([, item]) => item.connectTimeoutMs),
  )
const endpointCounts = (group: ProxyGroup): readonly string[] =>
  group.all
    .flatMap(({ name, proxy }) => [...proxy.held.endpoint].map(([cluster, item]) => `${name} ${cluster} ${item.preferredEndpoints}`))
    .sort()

test('a federated zone on a memory store comes back from SIGKILL without a loss, and ends recovery soon after its last proxy', async (t) => {
  await using planes = await controlPlanes()
  await planes.start('global')
  await planes.start('zone')
  await planes.put('global', '/meshes/default', { type: 'Mesh', name: 'default', meshServices: { mode: 'Exclusive' } })
  await planes.put('global', '/meshes/default/meshidentities/identity', identity)
  await planes.put('global', '/meshes/default/meshtrafficpermissions/callers', { ...permission(['east']), name: 'callers' })
  await until('identity in the zone', async () => (await itemsOf(planes, '/meshes/default/meshidentities')).length > 0)
  const group = proxyGroup(planes.proxies)
  try {
    await fill(planes, group)
    const before = endpointCounts(group)
    const secrets = (): readonly string[] =>
      group.all.flatMap(({ name, proxy }) => [...proxy.held.secret].map(([secret, item]) => `${name} ${secret} ${item.version}`))
    const secretsBefore = secrets()
    group.mark()

    await planes.kill('zone')
    await planes.start('zone')
    const startedAt = performance.now()
    let lastBackAt = 0
    await until('all proxies back', async () => {
      const isBack = group.all.every(({ proxy }) => proxy.isConnected)
      if (isBack) lastBackAt = performance.now()
      return isBack
    })
    await until('recovery over', async () => (await recoveryOf(planes))?.recovering === false)
    const overAt = performance.now()
    t.diagnostic(
      `last proxy back ${Math.round(lastBackAt - startedAt)} ms after the API, recovery over ${Math.round(overAt - lastBackAt)} ms later`,
    )
    await quiet(group)
    await until('all endpoints', async () => isDeepStrictEqual(endpointCounts(group), before))
    assert.deepEqual(group.losses.removed, [])
    assert.deepEqual(group.losses.shrunk, [])
    // what this control plane made anew: its own access to Envoy, and trust
    const made = (line: string): boolean => line.includes(' secret ') || line.endsWith(' listener system_envoy_admin')
    assert.deepEqual(
      group.losses.replaced.filter((line) => !made(line)),
      [],
    )
    t.diagnostic(
      `removed ${group.losses.removed.length}, load assignments shrunk ${group.losses.shrunk.length}, replaced ${summary(group.losses.replaced)}`,
    )
    // not at the end of the time that proxies are given
    assert.ok(overAt - lastBackAt < returnGraceMs * 0.75, `recovery took ${Math.round(overAt - lastBackAt)} ms after the last proxy`)
    // the authority is another one: every proxy got a certificate of it in the end
    const kept = new Set(secretsBefore)
    const renewedMs = await until('new certificates', async () => secrets().every((line) => !line.includes('kri_mid_') || !kept.has(line)))
    t.diagnostic(`certificates of the new authority everywhere ${Math.round(renewedMs)} ms after that`)
    assert.deepEqual(group.losses.removed, [])
    // first everyone trusts both authorities, then anyone gets a certificate of the new one
    const secretsInOrder = group.losses.replaced.filter((line) => line.includes(' secret '))
    const lastBundle = secretsInOrder.findLastIndex((line) => line.endsWith(' system_trust_bundle'))
    const firstCertificate = secretsInOrder.findIndex((line) => line.includes(' kri_mid_'))
    assert.ok(lastBundle >= 0 && lastBundle < firstCertificate, `bundle ${lastBundle}, certificate ${firstCertificate}`)
    assert.deepEqual(await rootsAt(planes, 'zone'), [2])
    await until('both roots at global', async () => (await rootsAt(planes, 'global')).every((count) => count === 2))

    const editedAt = performance.now()
    await planes.put('global', '/meshes/default/meshtimeouts/everywhere', timeout(1234))
    await until('policy edit at global arrives', async () => connectTimeouts(group).every((ms) => ms === 1234))
    t.diagnostic(`policy edit at global in every proxy after ${Math.round(performance.now() - editedAt)} ms`)
    // an endpoint that leaves is followed again too
    group.mark()
    group.all.at(0)?.proxy.close()
    await until('the endpoint that left is no longer preferred', async () => group.losses.shrunk.length > 0)
  } finally {
    group.close()
  }
})

test('a global that was away for two seconds is joined again by itself', async (t) => {
  // on disk, so that it comes back with the keys the zone's token was signed by
  await using planes = await controlPlanes({ env: { KUMA_STORE_TYPE: 'embedded' } })
  await planes.start('global')
  await planes.start('zone')
  const isOnline = async (): Promise<boolean> => {
    // the shape is the product's own
    const overview = (await planes.get('global', '/zones/east/_overview')) as
      | {
          readonly zoneInsight?: { readonly subscriptions?: readonly { readonly connectTime?: string; readonly disconnectTime?: string }[] }
        }
      | undefined
    const last = overview?.zoneInsight?.subscriptions?.at(-1)
    return last?.connectTime !== undefined && last.disconnectTime === undefined
  }
  await until('zone online', isOnline)
  await planes.kill('global')
  const goneAt = performance.now()
  await until('two seconds', async () => performance.now() - goneAt > 2_000)
  await planes.start('global')
  const ms = await until('zone online again', isOnline)
  t.diagnostic(`online ${Math.round(ms)} ms after the API of global answered`)
})

test('a standalone zone on a memory store takes nothing away until its grace is over or an operator ends it', async (t) => {
  await using planes = await controlPlanes({ standalone: true, env: { KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE: 'none' } })
  await planes.start('zone')
  const prepare = async (): Promise<void> => {
    await planes.put('zone', '/meshes/default', { type: 'Mesh', name: 'default', meshServices: { mode: 'Exclusive' } })
  }
  await prepare()
  const group = proxyGroup(planes.proxies)
  try {
    await fill(planes, group)
    const before = endpointCounts(group)
    group.mark()
    await planes.kill('zone')
    // the last one does not come back
    const gone = group.all.at(sidecars - 1)
    gone?.proxy.close()
    await planes.start('zone')
    await prepare()
    await until('all proxies back', async () => group.all.every((each) => each === gone || each.proxy.isConnected))
    await until(
      'waiting for proxies',
      async () => (await recoveryOf(planes))?.meshes.find(({ mesh }) => mesh === 'default')?.phase === 'returning',
    )
    // a newcomer is served at once, with what is known
    const token = ''
    const newcomer = group.add('sidecar', { index: 5 * services + 1, token, backends: false })
    await until('newcomer ready', async () => newcomer.proxy.readyAt !== undefined)
    await quiet(group)
    assert.deepEqual(group.losses.removed, [])
    assert.deepEqual(group.losses.shrunk, [])
    assert.deepEqual(
      endpointCounts(group).filter((line) => !line.startsWith(newcomer.name)),
      before,
    )
    await planes.remove('zone', '/_x/recovery')
    assert.equal((await recoveryOf(planes))?.recovering, false)
    await until('what did not come back goes', async () => group.losses.shrunk.length > 0)
    t.diagnostic(`shrunk after the end: ${group.losses.shrunk.length}`)
  } finally {
    group.close()
  }
})

function summary(lines: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const line of lines) {
    const [, type = ''] = line.split(' ')
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return JSON.stringify(Object.fromEntries(counts))
}
