// A global and a zone control plane on PostgreSQL: prepared by hand, killed, and without their database for a while.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startPostgres, withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { http, until } from '../../apps/demo/src/rest.ts'
import { runWeft } from '../run-weft.ts'
import { controlPlanes, type Role } from './control-planes.ts'

const timeoutPolicy = (seconds: number): object => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name: 'slow',
  spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${seconds}s` } }] },
})
const path = '/meshes/default/meshtimeouts/slow'

test('a federation on PostgreSQL', { skip: withoutPostgres(), timeout: 580_000 }, async (t) => {
  const server = await startPostgres({
    // it is killed, and what was written a moment before must be there
    durable: true,
    access: ['host all stranger 127.0.0.1/32 scram-sha-256', 'host all all 127.0.0.1/32 trust'],
  })
  const databases = { global: await server.createDatabase(), zone: await server.createDatabase() }
  const envOf = (role: Role): Record<string, string> => ({
    KUMA_STORE_TYPE: 'postgres',
    KUMA_STORE_POSTGRES_PORT: String(server.port),
    KUMA_STORE_POSTGRES_USER: 'weft',
    KUMA_STORE_POSTGRES_PASSWORD: 'anything',
    KUMA_STORE_POSTGRES_DB_NAME: databases[role],
  })
  await using planes = await controlPlanes({ envOf })
  t.after(() => server.dispose())
  // the zone knows it by another name
  const timeoutAt = async (role: Role): Promise<string> => JSON.stringify((await planes.get(role, '/meshes/default/meshtimeouts')) ?? null)
  const shows = (role: Role, seconds: number): Promise<unknown> =>
    until(`${seconds}s at ${role}`, async () => (await timeoutAt(role)).includes(`"connectionTimeout":"${seconds}s"`))

  await t.test('does not start on a database that is not prepared, and says what to do', async () => {
    const started = await runWeft(['cp', 'run'], { KUMA_MODE: 'global', ...envOf('global') })
    assert.equal(started.code, 1)
    assert.match(started.err, /^weft cp: the database "test_1" has no tables of Weft: run "weft migrate up" with the same settings first$/m)
    const status = await runWeft(['migrate', 'status'], envOf('global'))
    assert.deepEqual([status.code, /missing 1: /.test(status.out)], [1, true], status.err)
    const elsewhere = await runWeft(['migrate', 'up'], {})
    assert.deepEqual([elsewhere.code, /set KUMA_STORE_TYPE=postgres/.test(elsewhere.err)], [2, true], elsewhere.err)
  })

  await t.test('weft migrate up prepares it', async () => {
    for (const role of ['global', 'zone'] as const) assert.match((await runWeft(['migrate', 'up'], envOf(role))).out, /applied 1: /)
    assert.match((await runWeft(['migrate', 'up'], envOf('zone'))).out, /nothing to do/)
    assert.equal((await runWeft(['migrate', 'status'], envOf('zone'))).code, 0)
  })

  await t.test('says what a person has to mend and ends', async () => {
    const wrong = { KUMA_STORE_POSTGRES_USER: 'stranger', KUMA_STORE_POSTGRES_PASSWORD: 'a wrong one' }
    const started = await runWeft(['cp', 'run'], { KUMA_MODE: 'global', ...envOf('global'), ...wrong })
    assert.equal(started.code, 1, started.err)
    assert.match(started.err, /^weft cp: cannot use the PostgreSQL database stranger@.*password authentication failed/m)
    assert.ok(!started.err.includes('a wrong one'), 'no password')
  })

  await t.test('waits for a database that is away, and can be seen to be alive', async () => {
    await server.kill()
    const started = planes.start('global')
    const asked = (path: string) => http('GET', `${planes.diagnostics('global')}${path}`)
    await until('the wait', async () =>
      readFileSync(planes.logOf('global'), 'utf8').includes('the database is away: the start waits for it'),
    )
    assert.equal((await asked('/healthy')).status, 200)
    assert.equal((await asked('/ready')).status, 503)
    await server.start()
    await started
    await until('ready', async () => (await asked('/ready')).status === 200)
    await planes.kill('global')
  })

  await t.test('keeps its state over the death of both control planes', async () => {
    await planes.start('global')
    await planes.start('zone')
    await planes.put('global', path, timeoutPolicy(1))
    await shows('zone', 1)
    await planes.kill('zone')
    await planes.kill('global')
    await planes.start('zone')
    assert.match(await timeoutAt('zone'), /"1s"/, 'the zone has it without its global')
    await planes.start('global')
    assert.match(await timeoutAt('global'), /"1s"/)
  })

  await t.test('reads go on without the database, writes are refused with 503, and all heals alone', async () => {
    await server.kill()
    assert.match(await timeoutAt('global'), /"1s"/)
    const refused = await http('PUT', `${planes.api('global')}${path}`, timeoutPolicy(2))
    assert.equal(refused.status, 503, refused.text)
    assert.match(refused.text, /cannot write to the store: /)
    assert.ok(!refused.text.includes('anything'), 'no password')
    await server.start()
    await until('global writes', async () => (await http('PUT', `${planes.api('global')}${path}`, timeoutPolicy(3))).status === 200)
    await shows('zone', 3)
  })
})
