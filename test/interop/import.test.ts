// A stock global on its own database moves into a store of ours: with its policies, its keys and its identity.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { http, until } from '../../apps/demo/src/rest.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { runWeft } from '../run-weft.ts'
import { federation } from './peers.ts'
import { stock, withoutStock } from './reference.ts'

const skip = withoutStock || withoutPostgres()
const policy = {
  type: 'MeshTimeout',
  mesh: 'default',
  name: 'slow',
  spec: { targetRef: { kind: 'Mesh' }, to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '3s' } }] },
}

function databaseEnv(server: PostgresServer, name: string): Record<string, string> {
  const { host, port, user, password } = server.settings(name)
  return {
    KUMA_STORE_TYPE: 'postgres',
    KUMA_STORE_POSTGRES_HOST: host,
    KUMA_STORE_POSTGRES_PORT: String(port),
    KUMA_STORE_POSTGRES_USER: user,
    KUMA_STORE_POSTGRES_PASSWORD: password,
    KUMA_STORE_POSTGRES_DB_NAME: name,
  }
}

test('the database of a stock global becomes a store of ours', { skip, timeout: 400_000 }, async () => {
  const server = await startPostgres()
  try {
    const name = await server.createDatabase()
    const database = databaseEnv(server, name)
    const migrated = spawnSync(stock.controlPlane, ['migrate', 'up'], { env: { ...process.env, ...database }, encoding: 'utf8' })
    assert.equal(migrated.status, 0, migrated.stderr)
    let token = ''
    let clusterId: unknown
    {
      await using fed = await federation({ global: 'stock', zones: {}, globalEnv: database })
      await fed.global.start()
      await until('mesh', async () => (await fed.global.get('/meshes/default')) !== undefined)
      await fed.global.put('/meshes/default/meshtimeouts/slow', policy)
      // its keys come a moment after its API
      await until('token of a user', async () => {
        const issued = await http('POST', `${fed.global.api}/tokens/user`, { name: 'ann', groups: ['mesh-system:admin'], validFor: '1h' })
        if (issued.status === 200) token = issued.text.trim()
        return token !== ''
      })
      clusterId = await clusterIdAt(server, name)
      await fed.global.stop()
    }
    const rows = await server.query(name, 'SELECT count(*) AS n FROM resources')
    await using fed = await federation({
      global: 'ours',
      zones: {},
      globalEnv: { KUMA_STORE_TYPE: '', KUMA_API_SERVER_AUTHN_LOCALHOST_IS_ADMIN: 'false' },
    })
    const settings = server.settings(name)
    const dsn = `postgres://${settings.user}:${encodeURIComponent(settings.password)}@${settings.host}:${settings.port}/${name}`
    const env = { KUMA_MODE: 'global', KUMA_STORE_TYPE: '', KUMA_GENERAL_WORK_DIR: fed.global.workDir }
    const preview = await runWeft(['import', '--from-kuma-postgres', dsn], env)
    assert.match(preview.out, /zones would receive\n[\s\S]*create MeshTimeout: 3 [\s\S]*--yes writes them/, preview.err)
    assert.doesNotMatch(preview.out, /left out/)
    assert.match((await runWeft(['import', '--from-kuma-postgres', dsn, '--yes'], env)).out, /written; the store is at \d+/)
    assert.match((await runWeft(['import', '--from-kuma-postgres', dsn], env)).out, /nothing to write/)

    await fed.global.start()
    assert.deepEqual((await fed.global.find('/meshes/default/meshtimeouts', 'slow'))?.spec, policy.spec)
    const secrets = (credentials: Readonly<Record<string, string>>) =>
      fetch(`${fed.global.api}/globalsecrets`, { headers: credentials }).then(({ status }) => status)
    assert.deepEqual(
      [await secrets({}), await secrets({ authorization: `Bearer ${token}` })],
      [403, 200],
      'tokens that were issued there are good here',
    )
    const index = await fetch(fed.global.api, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(((await index.json()) as { clusterId?: string }).clusterId, clusterId)
    assert.deepEqual(await server.query(name, 'SELECT count(*) AS n FROM resources'), rows, 'nothing was written there')

    const refused = await runWeft(['import', '--from-kuma-postgres', dsn.replace(name, 'postgres')], {
      ...env,
      KUMA_GENERAL_WORK_DIR: `${fed.global.workDir}-other`,
    })
    assert.match(refused.err, /it is not the database of a stock control plane/)
    assert.doesNotMatch(refused.err, /for%20tests/, 'no password in the message')
  } finally {
    await server.dispose()
  }
})

async function clusterIdAt(server: PostgresServer, database: string): Promise<unknown> {
  const [row] = await server.query(
    database,
    "SELECT spec::json->>'config' AS id FROM resources WHERE type = 'Config' AND name = 'kuma-cluster-id'",
  )
  return row?.['id']
}
