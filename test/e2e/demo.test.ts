// The demo is the main job end to end: one global, two zones, five real Envoys, and every proof it prints.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../tools/run-command.ts'
import { envoyBinary, freePorts, isFree } from './zone.ts'

/**
 * A base above which the ports the demo uses are free now. It lies below the ports the kernel gives to connections (32,768 and up on Linux):
 * closed ones of earlier tests hold thousands of those for a minute.
 */
async function freeBase(): Promise<number> {
  const [start = 0] = await freePorts(1)
  for (let attempt = 0; attempt < 40; attempt++) {
    const base = 12_000 + ((start + attempt * 7) % 40) * 500
    const used = [0, 100, 200].flatMap((zone) => [76, 78, 80, 81, 82, 83, 85].map((offset) => base + zone + offset))
    const proxies = Array.from({ length: 80 }, (_, index) => base + 300 + index)
    if ((await Promise.all([...used, ...proxies].map(isFree))).every(Boolean)) return base
  }
  throw new Error('no free range of ports')
}

test('npm run demo -- --check proves the whole federation', {
  skip: envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH',
  timeout: 240_000,
}, async () => {
  const base = await freeBase()
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
