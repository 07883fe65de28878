// The demo is the main job end to end: one global, two zones, five real Envoys, and every proof it prints.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { http, until } from '../../apps/demo/src/rest.ts'
import { freeRange } from '../../tools/bench/port-range.ts'
import { root } from '../../tools/run-command.ts'
import { envoyBinary } from './zone.ts'

test('npm run demo -- --check proves the whole federation', {
  skip: envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH',
  timeout: 500_000,
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

test('the second start of the demo finds what was written in the first', {
  skip: envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH',
  timeout: 500_000,
}, async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'wdd-'))
  t.after(() => rmSync(data, { recursive: true, force: true }))
  const base = await freeRange(380)
  const kept = [
    { url: `http://127.0.0.1:${base + 81}/meshes/default/meshtimeouts/kept-by-global`, labels: {} },
    { url: `http://127.0.0.1:${base + 181}/meshes/default/meshtimeouts/kept-by-east`, labels: { 'kuma.io/origin': 'zone' } },
  ]
  /** Runs the demo until `seen` has come to pass, and ends it as Ctrl-C does. */
  const start = async (seen: () => Promise<unknown>): Promise<void> => {
    const child = spawn(process.execPath, [join(root, 'tools/demo.ts'), '--data', data, '--port-base', String(base)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const closed = new Promise<number>((done) => child.once('close', (code) => done(code ?? -1)))
    await Promise.race([seen(), closed.then((code) => assert.fail(`the demo ended with ${code}: ${text}`))])
    child.kill('SIGINT')
    // and once more while it stops, as a terminal does through npm
    await until('it stops', async () => (await http('GET', `http://127.0.0.1:${base + 81}`)).status !== 200)
    child.kill('SIGINT')
    // ended before or after its proofs
    assert.ok([0, 130].includes(await closed), text)
  }
  await start(async () => {
    for (const { url, labels } of kept) {
      const body = {
        type: 'MeshTimeout',
        mesh: 'default',
        name: url.split('/').at(-1),
        labels,
        spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '7s' } }] },
      }
      await until(`${url} taken`, async () => [200, 201].includes((await http('PUT', url, body)).status))
    }
  })
  await start(async () => {
    for (const { url } of kept) await until(`${url} found`, async () => (await http('GET', url)).text.includes('"7s"'))
  })
})
