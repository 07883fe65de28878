// A global and a zone whose database is away, full, without a free connection, or slow: reads, proxies and the session between them go on,
// writes are refused with the reason or wait, who comes meanwhile is served, and afterwards all is as it was meant to be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identity } from '../../apps/demo/src/resources.ts'
import { http, until } from '../../apps/demo/src/rest.ts'
import { migrateUp } from '../../packages/store/src/postgres/migrate.ts'
import { startPostgres, withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { isObject } from '../chaos/canonical.ts'
import { controlPlanes, type Role } from './control-planes.ts'
import { proxyGroup, services } from './watched-proxy.ts'

const path = '/meshes/default/meshtimeouts/everywhere'
const policy = (ms: number): object => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name: 'everywhere',
  spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${ms}ms` } }] },
})

const mostConnections = 30

test('a federation whose database is in trouble', { skip: withoutPostgres(), timeout: 600_000 }, async (t) => {
  const databases: Readonly<Record<Role, string>> = { global: 'weft_global', zone: 'weft_zone' }
  const server = await startPostgres({
    durable: true,
    config: [`max_connections = ${mostConnections}`, 'superuser_reserved_connections = 0'],
  })
  for (const name of Object.values(databases)) {
    await server.query('postgres', `CREATE DATABASE ${name}`)
    await migrateUp(server.settings(name))
  }
  await using planes = await controlPlanes({
    envOf: (role) => ({
      KUMA_STORE_TYPE: 'postgres',
      KUMA_STORE_POSTGRES_PORT: String(server.port),
      KUMA_STORE_POSTGRES_USER: 'weft',
      KUMA_STORE_POSTGRES_PASSWORD: 'anything',
      KUMA_STORE_POSTGRES_DB_NAME: databases[role],
      KUMA_STORE_POSTGRES_MAX_OPEN_CONNECTIONS: '4',
    }),
  })
  t.after(() => server.dispose())
  const group = proxyGroup(planes.proxies)
  t.after(() => group.close())
  const tokens: string[] = []
  let value = 20_000

  const join = (index: number) => group.add('sidecar', { index, token: tokens[index % services] ?? '' })
  const isInZone = async (kind: string, name: string): Promise<boolean> =>
    JSON.stringify((await planes.get('zone', `/meshes/default/${kind}`)) ?? '').includes(name)
  const write = () => http('PUT', `${planes.api('global')}${path}`, policy(++value))
  /** An edit at global that is taken, and followed by every proxy. */
  const followed = async (): Promise<void> => {
    await until('global writes', async () => [200, 201].includes((await write()).status))
    const ms = value
    await until(`all proxies have ${ms} ms`, async () =>
      group.all.every(({ proxy }) =>
        [...proxy.held.cluster].every(([name, { connectTimeoutMs }]) => !name.startsWith('kri_msvc_') || connectTimeoutMs === ms),
      ),
    )
  }
  /** Ids of the zone's sessions at global that are open. */
  const sessions = async (): Promise<readonly unknown[]> => {
    const list = await planes.get('global', '/zones+insights')
    const [zone] = isObject(list) && Array.isArray(list['items']) ? list['items'].filter(isObject) : []
    const insight = isObject(zone?.['zoneInsight']) ? zone['zoneInsight'] : {}
    const subscriptions = Array.isArray(insight['subscriptions']) ? insight['subscriptions'].filter(isObject) : []
    return subscriptions.filter((each) => each['disconnectTime'] === undefined).map((each) => each['id'])
  }
  /** What holds whatever the database does. */
  const isServed = async (refusal: RegExp): Promise<void> => {
    let refused = await write()
    assert.equal(refused.status, 503, refused.text)
    // the first failure may be that of a session that ended
    await until(`a refusal because of ${refusal}`, async () => refusal.test((refused = await write()).text))
    assert.equal(refused.status, 503, refused.text)
    assert.ok(!refused.text.includes('anything'), 'no password')
    assert.notEqual(await planes.get('global', path), undefined, 'reads go on at global')
    assert.notEqual(await planes.get('zone', '/meshes/default'), undefined, 'reads go on in the zone')
  }
  /** Carries out `trouble` in the middle of what has to stay, and judges afterwards. */
  const through = async (trouble: () => Promise<void>): Promise<void> => {
    const open = await sessions()
    assert.equal(open.length, 1)
    const disconnects = group.all.map(({ proxy }) => proxy.disconnects)
    await trouble()
    await followed()
    assert.deepEqual(await sessions(), open, 'the session of the zone stays')
    assert.deepEqual(
      group.all.slice(0, disconnects.length).map(({ proxy }) => proxy.disconnects),
      disconnects,
      'streams stay',
    )
    assert.deepEqual([group.losses.removed, group.losses.shrunk], [[], []], 'no configuration shrinks')
  }
  const stored = async (name: string): Promise<boolean> => {
    const rows = await server.query(databases.zone, `SELECT 1 FROM weft.resources WHERE type = 'Dataplane' AND name = $1`, [name])
    return rows.length > 0
  }

  await planes.start('global')
  await planes.start('zone')
  await planes.put('global', '/meshes/default/meshidentities/identity', identity)
  await until(
    'identity and keys in the zone',
    async () => (await isInZone('meshidentities', 'identity')) && (await isInZone('secrets', 'dataplane-token-signing-key')),
  )
  for (let service = 0; service < services; service++) tokens.push(await planes.token(`svc-${service}`))
  for (let index = 0; index < services; index++) join(index)
  await until('all proxies complete', async () => group.all.every(({ proxy }) => proxy.completeAt !== undefined))
  await followed()
  group.mark()

  await t.test('away: a new proxy starts, and is registered when it is back', async () => {
    await through(async () => {
      await server.kill()
      await isServed(/cannot write to the store: /)
      const { name, proxy } = join(services)
      await until('the new proxy complete', async () => proxy.completeAt !== undefined)
      assert.notEqual(await planes.get('zone', `/meshes/default/dataplanes/${name}`), undefined)
      await server.start()
      await until('the new proxy registered', () => stored(name))
    })
  })

  await t.test('full: writes are refused until there is room again', async () => {
    const everywhere = async (statement: string): Promise<void> => {
      for (const database of Object.values(databases)) await server.query(database, statement)
    }
    await through(async () => {
      await everywhere(
        `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE 'could not extend file "base/16384/16397": No space left on device' USING ERRCODE = 'disk_full'; END $$;
         CREATE TRIGGER full_disk BEFORE INSERT ON weft.log EXECUTE FUNCTION full_disk()`,
      )
      await isServed(/No space left on device/)
      const { name, proxy } = join(services + 1)
      await until('the new proxy complete', async () => proxy.completeAt !== undefined)
      await everywhere('DROP TRIGGER full_disk ON weft.log; DROP FUNCTION full_disk()')
      await until('the new proxy registered', () => stored(name))
    })
  })

  await t.test('no free connection: others hold them all', async () => {
    await through(async () => {
      const others = [await server.connect('postgres')]
      // each one they lose is taken before they are back
      while (others.length < mostConnections)
        await server.connect('postgres').then(
          (client) => others.push(client),
          () => others[0]?.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weft' LIMIT 1`),
        )
      await isServed(/too many clients already/)
      await Promise.all(others.map((client) => client.end()))
    })
  })

  await t.test('slow: a write waits, nothing else does', async () => {
    await through(async () => {
      const lock = await server.connect(databases.global)
      await lock.query('BEGIN')
      await lock.query('SELECT * FROM weft.counter FOR UPDATE')
      let status = 0
      const written = write().then((answer) => (status = answer.status))
      const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'weft'`
      await until('a write that waits', async () => (await lock.query(waits)).rows.length > 0)
      assert.notEqual(await planes.get('global', path), undefined, 'reads go on')
      await lock.query('SELECT pg_sleep(1)')
      assert.equal(status, 0, 'it still waits')
      await lock.query('COMMIT')
      await lock.end()
      assert.equal(await written, 200)
    })
  })
})
