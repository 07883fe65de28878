import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

const module = JSON.stringify(new URL('./history-key.ts', import.meta.url).href)
/** Waits until all are there, so that they make the key at the same moment. */
const program = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(${module}).then(({ loadHistoryKey }) => {
    const here = new Int32Array(workerData.here)
    Atomics.add(here, 0, 1)
    while (Atomics.load(here, 0) < workerData.count);
    parentPort.postMessage(loadHistoryKey(workerData.file).secret)
  })`

test('control planes that share a folder make one key, however many start at once', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-key-'))
  try {
    const count = 4
    const workerData = { file: join(dir, 'history.key'), here: new SharedArrayBuffer(4), count }
    const workers = Array.from({ length: count }, () => new Worker(program, { eval: true, workerData }))
    const secrets = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as unknown))
    assert.equal(new Set(secrets).size, 1)
    assert.match(String(secrets[0]), /^[0-9a-f]{64}$/)
    assert.deepEqual(readdirSync(dir), ['history.key'])
  } finally {
    rmSync(dir, { recursive: true })
  }
})
