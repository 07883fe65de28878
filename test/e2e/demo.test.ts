// The demo is the main job end to end: one global, two zones, five real Envoys, and every proof it prints.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { freeRange } from '../../tools/bench/port-range.ts'
import { root } from '../../tools/run-command.ts'
import { envoyBinary } from './zone.ts'

test('npm run demo -- --check proves the whole federation', {
  skip: envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH',
  timeout: 240_000,
}, async () => {
  const base = await freeRange(380)
  const child = spawn(process.execPath, [join(root, 'tools/demo.ts'), '--check', '--port-base', String(base)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const code = await new Promise((done) => child.once('close', done))
  assert.equal(code, 0, text)
  assert.equal([...text.matchAll(/^ {2}ok {2}/gm)].length, 8, text)
  assert.match(text, /east saw spiffe:\/\/default\.west\.mesh\.local\/workload\/client/)
})
