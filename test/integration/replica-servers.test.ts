// Two control planes of one zone that use NATS and Redis: what both add, and that the loss of either takes nothing away.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startNats, withoutNats } from '../../packages/replicas/src/testing/nats-server.ts'
import { startRedis, withoutRedis } from '../../packages/replicas/src/testing/redis-server.ts'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { http, put, until } from '../../apps/demo/src/rest.ts'
import { type ReplicaName, replicaPlanes } from './replica-planes.ts'
import { proxyGroup } from './watched-proxy.ts'

const patience = 120_000
/** The budget of each and of both together. */
const questions = 5
const both: readonly ReplicaName[] = ['zone-1', 'zone-2']

test('two replicas with NATS and Redis', { skip: withoutPostgres() || withoutNats() || withoutRedis(), timeout: 600_000 }, async (t) => {
  await using nats = await startNats('authorization { user: weft, password: "correct-horse" }')
  await using redis = await startRedis(['--requirepass', 'staple-horse'])
  await using planes = await replicaPlanes({
    standalone: true,
    env: {
      KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE: 'none',
      // rows last for 45 s: what is known sooner is known by Redis, on a busy machine too
      KUMA_INTER_CP_CATALOG_HEARTBEAT_INTERVAL: '15s',
      WEFT_NATS_URL: nats.url,
      WEFT_NATS_USER: 'weft',
      WEFT_NATS_PASSWORD: 'correct-horse',
      WEFT_REDIS_URL: redis.url,
      WEFT_REDIS_PASSWORD: 'staple-horse',
      WEFT_BUDGET_QUESTIONS: String(questions),
    },
  })
  await Promise.all(both.map((name) => planes.start(name)))
  // the leader makes it, when it has become one
  await until(
    'the default mesh is at both',
    async () => (await Promise.all(both.map((name) => planes.get(name, '/meshes/default')))).every((found) => found !== undefined),
    patience,
  )
  const group = proxyGroup(`127.0.0.1:${planes.port('zone-2')}`)
  t.after(() => group.close())

  const reads = (metric: string, value: number): Promise<unknown> =>
    until(
      `${metric} is ${value} at both`,
      async () => (await Promise.all(both.map((name) => planes.metric(name, metric)))).every((found) => found === value),
      patience,
    )
  const policy = async (at: ReplicaName): Promise<string> => JSON.stringify((await planes.get(at, '/meshes/default/meshtimeouts')) ?? null)
  let written = 1
  /** A write at one is seen at the other. */
  const travels = async (): Promise<void> => {
    written += 1
    const spec = { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${written}s` } }] }
    await put(planes.api('zone-1'), '/meshes/default/meshtimeouts/slow', { type: 'MeshTimeout', mesh: 'default', name: 'slow', spec })
    await until('it is seen at the other', async () => (await policy('zone-2')).includes(`"connectionTimeout":"${written}s"`), patience)
  }
  /** The first replica is asked for what only the second one has. */
  const answers = async (): Promise<void> => {
    const [proxy] = group.all
    assert.ok(proxy)
    const path = `/meshes/default/dataplanes/${proxy.name}/_config`
    await until('an answer for the proxy of the other', async () => (await planes.get('zone-1', path)) !== undefined, patience)
  }
  const asked = async (result: string): Promise<number> =>
    (await planes.metric('zone-1', 'replicas_requests_total', `way="nats",side="asked",result="${result}"`)) ?? 0

  await t.test('use both', async () => {
    for (const metric of ['replicas_nats_up', 'replicas_redis_up', 'replicas_presence_members']) await reads(metric, 1)
    await travels()
    const heard = (): Promise<number | undefined> => planes.metric('zone-2', 'replicas_announcements_total', 'way="nats",result="heard"')
    await until('it was announced', async () => ((await heard()) ?? 0) > 0, patience)
    group.add('sidecar', { index: 0, token: '' })
    await until('the proxy is served', async () => group.all.every(({ proxy }) => proxy.readyAt !== undefined), patience)
    await until('who holds it is known', async () => ((await planes.metric('zone-2', 'replicas_presence_holdings')) ?? 0) > 0, patience)
    await until(
      'it is asked for by NATS',
      async () => {
        await answers()
        return (await asked('ok')) > 0
      },
      patience,
    )
  })

  await t.test('share a budget', async () => {
    const [proxy] = group.all
    assert.ok(proxy)
    const asks = async (at: ReplicaName): Promise<number> =>
      (await http('GET', `${planes.api(at)}/meshes/default/dataplanes/${proxy.name}/stats`)).status
    // no Envoy is behind the proxy: it is asked, whatever comes of it
    let taken = 0
    const refusing = new Set<ReplicaName>()
    for (let turn = 0; refusing.size < both.length && turn < 2 * questions + 2; turn++)
      for (const name of both) {
        if (refusing.has(name)) continue
        if ((await asks(name)) === 429) refusing.add(name)
        else taken++
      }
    // each alone would take them all; Redis may be too late for a few
    assert.ok(taken >= questions && taken < 2 * questions - 1, `${taken} were taken`)
    for (const name of both) assert.equal(await planes.metric(name, 'budget_refusals_total', 'budget="questions"'), 1, name)
  })

  await t.test('without NATS everything goes on, and with it again', async () => {
    await nats.kill()
    await reads('replicas_nats_up', 0)
    await travels()
    await answers()
    await nats.start()
    await reads('replicas_nats_up', 1)
    await travels()
    const before = await asked('ok')
    await until(
      'it is asked for by NATS again',
      async () => {
        await answers()
        return (await asked('ok')) > before
      },
      patience,
    )
  })

  await t.test('without Redis, and with one that comes back empty, nobody is dead', async () => {
    await redis.kill()
    await reads('replicas_redis_up', 0)
    await travels()
    await answers()
    await redis.start()
    await reads('replicas_redis_up', 1)
    await reads('replicas_presence_members', 1)
    await answers()
    for (const name of both) assert.doesNotMatch(planes.log(name), /replica is dead|replica is gone/, name)
  })

  await t.test('no secret is in a log', () => {
    for (const name of both) assert.doesNotMatch(planes.log(name), /correct-horse|staple-horse/)
  })

  await t.test('a death is known by Redis before the row of the dead is over', async () => {
    // until then nobody is missed: Redis had come back empty
    await until('what it holds is there again', async () => ((await planes.metric('zone-1', 'replicas_redis_up')) ?? 0) === 1, patience)
    await planes.kill('zone-2')
    await until('the death is known', async () => planes.log('zone-1').includes('replica is dead'), patience)
    assert.doesNotMatch(planes.log('zone-1'), /replica is gone/)
  })
})
