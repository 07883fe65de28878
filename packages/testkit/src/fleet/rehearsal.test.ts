import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rehearse } from './rehearsal.ts'

test('a rehearsal completes its fleet, has it follow every edit, and leaves nothing open', { timeout: 120_000 }, async () => {
  assert.equal(await rehearse(), true)
})
