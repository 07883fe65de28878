import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { type PostgresServer, startPostgres, withoutPostgres } from '../testing/postgres-server.ts'
import { fixtureContent, schemaFixture } from '../testing/schema-fixtures.ts'
import { createHistoryKey } from '../history-key.ts'
import { migrateUp, migrationStatus } from './migrate.ts'
import { postgresMigrations, postgresSchemaVersion } from './migrations.ts'
import { openPostgresStore } from './open-postgres-store.ts'
import type { PostgresSettings } from './settings.ts'

const key = createHistoryKey(randomBytes(32))

describe('the schema in PostgreSQL', { skip: withoutPostgres() }, () => {
  let server: PostgresServer
  before(async () => {
    server = await startPostgres()
  })
  after(() => server.dispose())
  const newDatabase = async (): Promise<PostgresSettings> => server.settings(await server.createDatabase())
  const open = (settings: PostgresSettings, tolerateNewerSchema = false) =>
    openPostgresStore({ settings, clock: systemClock, log: silentLogger, key, tolerateNewerSchema })

  it('versions are whole numbers in a row', () => {
    assert.deepEqual(
      postgresMigrations.map(({ version }) => version),
      postgresMigrations.map((_, at) => at + 1),
    )
  })

  it('is made once, also by several at the same time, and a second run finds nothing to do', async () => {
    const settings = await newDatabase()
    // a stock control plane has tables of such names in the same database
    await server.query(settings.database, 'CREATE TABLE public.resources (name text); CREATE TABLE public.store (id int)')
    assert.deepEqual(await migrationStatus(settings), {
      version: 0,
      known: postgresSchemaVersion,
      pending: postgresMigrations.map(({ version, name }) => ({ version, name })),
    })
    const runs = await Promise.all(Array.from({ length: 4 }, () => migrateUp(settings)))
    assert.deepEqual(runs.map(({ applied }) => applied.length).sort(), [0, 0, 0, postgresMigrations.length])
    assert.deepEqual(await migrationStatus(settings), { version: postgresSchemaVersion, known: postgresSchemaVersion, pending: [] })
    assert.equal((await migrateUp(settings)).applied.length, 0)
    const store = await open(settings)
    await store.close()
  })

  it('a step that fails leaves nothing behind', async () => {
    const settings = await newDatabase()
    await server.query(settings.database, 'CREATE SCHEMA weft; CREATE TABLE weft.log (seq bigint)')
    await assert.rejects(migrateUp(settings), (error) => hasCode(error, 'store/unavailable') && /"log" already exists/.test(error.message))
    assert.equal((await migrationStatus(settings)).version, 0)
    await server.query(settings.database, 'DROP TABLE weft.log')
    assert.equal((await migrateUp(settings)).applied.length, postgresMigrations.length)
  })

  it('a store refuses a database that has to be migrated first, and says how', async () => {
    const settings = await newDatabase()
    await assert.rejects(
      open(settings),
      (error) => hasCode(error, 'store/schema-outdated') && /has no tables of Weft: run "weft migrate up"/.test(error.message),
    )
  })

  it('a store refuses a newer schema unless it is told to tolerate it; nobody migrates back', async () => {
    const settings = await newDatabase()
    await migrateUp(settings)
    await server.query(settings.database, `INSERT INTO weft.migrations (version, name) VALUES (99, 'of the future')`)
    await assert.rejects(open(settings), (error) => hasCode(error, 'store/schema-too-new') && /has schema version 99/.test(error.message))
    await assert.rejects(migrateUp(settings), (error) => hasCode(error, 'store/schema-too-new'))
    assert.equal((await migrationStatus(settings)).version, 99)
    const store = await open(settings, true)
    await store.close()
  })

  for (const { version } of postgresMigrations) {
    it(`version ${version} comes up under this program`, async () => {
      const settings = await newDatabase()
      await server.query(settings.database, schemaFixture('postgres', version))
      assert.equal((await migrateUp(settings)).applied.length, postgresSchemaVersion - version)
      const store = await open(settings)
      const { resources, seq } = fixtureContent()
      assert.equal(store.seq, seq)
      assert.deepEqual(
        ['Mesh', 'MeshService', 'MeshTimeout', 'Secret'].flatMap((type) => store.list(type)),
        resources,
      )
      const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
      assert.equal(await store.transact([{ op: 'delete', key: { type: 'Mesh', mesh: '', name: 'default' } }], context), seq + 1)
      await store.close()
    })
  }
})
