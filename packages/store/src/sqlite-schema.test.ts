// Every format that was ever landed comes up under this program.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { openEmbeddedStore } from './embedded.ts'
import { embeddedFormat } from './sqlite-schema.ts'
import { fixtureContent, schemaFixture } from './testing/schema-fixtures.ts'

for (let format = 1; format <= embeddedFormat; format += 1) {
  it(`a file of format ${format} comes up, after a copy of it`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'weft-store-'))
    try {
      const old = new DatabaseSync(join(dir, 'store.db'))
      old.exec(schemaFixture('embedded', format))
      old.close()
      const { resources, seq } = fixtureContent()
      // a second start finds nothing to do
      for (const start of [1, 2]) {
        const store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
        assert.equal(store.seq, seq + start - 1)
        const listed = ['Mesh', 'MeshService', 'MeshTimeout', 'Secret'].flatMap((type) => store.list(type))
        assert.deepEqual(start === 1 ? listed : listed.filter(({ name }) => name !== 'new'), resources)
        await store.transact([{ op: 'put', resource: { type: 'Mesh', mesh: '', name: 'new', labels: {}, spec: { start } } }], {
          actor: 'user:test',
          reason: 'api',
          class: 'desired',
        })
        await store.close()
      }
      const copy = `store.db.format-${format}`
      assert.equal((await readdir(dir)).includes(copy), format < embeddedFormat)
      if (format === embeddedFormat) return
      assert.equal((await stat(join(dir, copy))).mode & 0o077, 0, 'it holds signing keys')
      const kept = new DatabaseSync(join(dir, copy), { readOnly: true })
      assert.equal(kept.prepare('PRAGMA user_version').get()?.['user_version'], format)
      assert.equal(kept.prepare('SELECT count(*) AS n FROM resources').get()?.['n'], resources.length)
      kept.close()
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  })
}
