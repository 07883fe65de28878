// A control plane on its embedded store, asked by the command line: what happened, what it was before, and back again, over SIGKILL too.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runWeft } from '../run-weft.ts'
import { until } from '../../apps/demo/src/rest.ts'
import { type ControlPlanes, controlPlanes } from './control-planes.ts'

const timeout = (seconds: number): string => `
type: MeshTimeout
mesh: default
name: slow
spec:
  to:
    - targetRef: { kind: Mesh }
      default: { connectionTimeout: ${seconds}s }
`

/** A control plane makes its first mesh, as its keys, a moment after its API answers. */
const untilMesh = (planes: ControlPlanes): Promise<unknown> =>
  until('the default mesh', async () => (await planes.get('zone', '/meshes/default')) !== undefined)

test('a backup restores a control plane, here and in another place; a running one refuses', { timeout: 400_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'wb-'))
  const file = join(dir, 'zone.backup')
  await using planes = await controlPlanes({ standalone: true, env: { KUMA_STORE_TYPE: '' } })
  const weft = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    runWeft(args, { ...env, WEFT_ADDRESS: planes.api('zone') })
  const restore = (workDir: string, ...more: readonly string[]) => weft(['restore', file, ...more], { KUMA_GENERAL_WORK_DIR: workDir })
  try {
    await planes.start('zone')
    await untilMesh(planes)
    await writeFile(join(dir, 'slow.yaml'), timeout(1))
    const applied = await weft(['apply', '-f', join(dir, 'slow.yaml')])
    assert.equal(applied.code, 0, applied.err)
    assert.match((await weft(['backup', '-f', file])).out, /\d+ bytes\n$/)
    assert.equal((await stat(file)).mode & 0o077, 0)
    await weft(['delete', 'meshtimeout', 'slow'])
    const workDir = planes.workDir('zone')
    const running = await restore(workDir)
    assert.deepEqual([running.code, /in use by process \d+: stop the control plane first/.test(running.err)], [1, true], running.err)
    await planes.kill('zone')
    const preview = await restore(workDir)
    assert.match(
      preview.out,
      /global would receive\n {2}create MeshTimeout: 1 \(default\/slow\)\n1 changes; --yes writes them/,
      preview.err,
    )
    assert.match((await restore(workDir, '--yes')).out, /written; the store is at \d+/)
    assert.match((await restore(workDir)).out, /nothing to write/)
    await planes.start('zone')
    assert.equal((await weft(['get', 'meshtimeout', 'slow'])).code, 0)
    assert.match((await weft(['audit', 'verify'])).out, /whole/)

    // another machine: all but the secrets, and with the key they too
    const elsewhere = await restore(join(dir, 'elsewhere'), '-o', 'json')
    const { changes, leftOut } = JSON.parse(elsewhere.out) as Record<'changes' | 'leftOut', { type: string }[]>
    assert.ok(changes.some(({ type }) => type === 'MeshTimeout'))
    assert.ok(leftOut.some(({ type }) => type === 'Secret'))
    const keyed = await restore(join(dir, 'elsewhere'), '--yes', '--key', join(workDir, 'store', 'history.key'))
    assert.match(keyed.out, /create Secret: \d+ /)
    const broken = join(dir, 'broken')
    await writeFile(broken, (await readFile(file)).subarray(0, 200))
    const refused = await weft(['restore', broken], { KUMA_GENERAL_WORK_DIR: workDir })
    assert.deepEqual([refused.code, /not a whole backup/.test(refused.err)], [1, true], refused.err)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})

test('history, difference, rollback and audit of a real control plane survive its death', { timeout: 400_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'wh-'))
  await using planes = await controlPlanes({ standalone: true, env: { KUMA_STORE_TYPE: '' } })
  const weft = (...args: readonly string[]) => runWeft(args, { WEFT_ADDRESS: planes.api('zone') })
  const apply = async (seconds: number): Promise<void> => {
    await writeFile(join(dir, 'slow.yaml'), timeout(seconds))
    const applied = await weft('apply', '-f', join(dir, 'slow.yaml'))
    assert.equal(applied.code, 0, applied.err)
  }
  try {
    await planes.start('zone')
    await untilMesh(planes)
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
