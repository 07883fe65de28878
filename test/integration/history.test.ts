// A control plane on its embedded store, asked by the command line: what happened, what it was before, and back again, over SIGKILL too.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { root } from '../../tools/run-command.ts'
import { controlPlanes } from './control-planes.ts'

const timeout = (seconds: number): string => `
type: MeshTimeout
mesh: default
name: slow
spec:
  to:
    - targetRef: { kind: Mesh }
      default: { connectionTimeout: ${seconds}s }
`

test('history, difference, rollback and audit of a real control plane survive its death', { timeout: 120_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'wh-'))
  await using planes = await controlPlanes({ standalone: true, env: { KUMA_STORE_TYPE: '' } })
  const weft = async (...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> => {
    const child = spawn(join(root, 'weft'), ['--address', planes.api('zone'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const [out, err, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number>((done) => child.on('close', (status) => done(status ?? -1))),
    ])
    return { code, out, err }
  }
  const apply = async (seconds: number): Promise<void> => {
    await writeFile(join(dir, 'slow.yaml'), timeout(seconds))
    const applied = await weft('apply', '-f', join(dir, 'slow.yaml'))
    assert.equal(applied.code, 0, applied.err)
  }
  try {
    await planes.start('zone')
    await apply(1)
    await apply(2)
    const listed = await weft('history', 'meshtimeout', 'slow', '-o', 'json')
    const { items } = JSON.parse(listed.out) as { items: { seq: number; action: string; actor: string }[] }
    assert.deepEqual(
      items.map(({ action, actor }) => [action, actor]),
      [
        ['update', 'user:mesh-system:admin'],
        ['create', 'user:mesh-system:admin'],
      ],
    )
    const created = String(items[1]?.seq)
    const { out: difference } = await weft('diff', 'meshtimeout', 'slow')
    assert.match(difference, /^--- MeshTimeout default\/slow/m)
    assert.match(difference, /^-\s+connectionTimeout: 1s$/m)
    assert.match(difference, /^\+\s+connectionTimeout: 2s$/m)
    assert.match((await weft('history', '--limit', '3')).out, /^SEQ +TIME +ACTION/)

    const head = /head (\d+:[0-9a-f]{64})/.exec((await weft('audit', 'verify')).out)?.[1] ?? ''
    assert.notEqual(head, '')
    await planes.kill('zone')
    await planes.start('zone')

    const dry = await weft('rollback', 'meshtimeout', 'slow', '--to', created, '--dry-run')
    assert.match(dry.out, /^\+\s+connectionTimeout: 1s$[\s\S]*1 would change; nothing was written/m)
    const { out: done, err } = await weft('rollback', 'meshtimeout', 'slow', '--to', created)
    assert.match(done, /1 changed to what they were at/, err)
    assert.match((await weft('get', 'meshtimeout', 'slow', '-o', 'yaml')).out, /connectionTimeout: 1s/)

    const verified = await weft('audit', 'verify', '--head', head)
    assert.deepEqual([verified.code, /whole: no entry is missing or altered/.test(verified.out)], [0, true], verified.out)
    const foreign = await weft('audit', 'verify', '--head', `1:${'0'.repeat(64)}`)
    assert.deepEqual([foreign.code, /entry 1 is not the one that was noted/.test(foreign.out)], [1, true], foreign.out)

    const usage = await weft('rollback', '--to', '1')
    assert.equal(usage.code, 2)
    const future = await weft('rollback', '--mesh', 'default', '--to', '99999')
    assert.deepEqual([future.code, /has not happened yet/.test(future.err)], [1, true], future.err)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})
