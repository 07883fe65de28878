// Observed changes that the database does not take.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Resource } from '@weft/resources'
import type { Change } from './contract.ts'
import { openDatabase } from './sqlite-database.ts'
import { createSqliteMedium } from './sqlite-medium.ts'

test('observed changes that could not be written are written a second later, the last value of each', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-medium-'))
  const { database } = openDatabase({ dir, makeId: () => 'id', sealedTypes: new Set() })
  let isFull = true
  const written: unknown[] = []
  const clock = new FakeClock()
  const warned: string[] = []
  const medium = createSqliteMedium({
    database: {
      ...database,
      begin: (isDurable) => {
        if (isFull) throw new Error('database or disk is full')
        database.begin(isDurable)
      },
      put: (resource) => {
        written.push(resource.spec)
        database.put(resource)
      },
    },
    clock,
    log: { ...silentLogger, warn: (...said: readonly unknown[]) => void warned.push(String(said.at(-1))) },
    metrics: undefined,
    retention: { maxEntries: 10, maxAgeMs: 0 },
  })
  const change = (seq: number, name: string): Change => {
    const key = { type: 'MeshService', mesh: 'm', name }
    const time = '2026-01-01T00:00:00Z'
    const after: Resource = { ...key, labels: {}, spec: { seq }, version: seq, creationTime: time, modificationTime: time }
    return { seq, time, actor: 'test', reason: 'test', class: 'observed', op: 'put', key, after }
  }
  const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
  medium.later([change(1, 'a')])
  await turn()
  medium.later([change(2, 'a'), change(3, 'b')])
  await turn()
  assert.equal(warned.length, 1, 'one attempt at a time')
  isFull = false
  clock.advance(999)
  await turn()
  assert.deepEqual(written, [])
  clock.advance(1)
  await turn()
  assert.deepEqual(written, [{ seq: 2 }, { seq: 3 }])
  medium.later([change(4, 'b')])
  await medium.close()
  assert.deepEqual(written.at(-1), { seq: 4 })
  rmSync(dir, { recursive: true })
})
