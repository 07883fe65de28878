// The disk of an embedded store is full for a while: the process may write no file any further (RLIMIT_FSIZE), which needs no privileges.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { http, until } from '../../apps/demo/src/rest.ts'
import { controlPlanes } from './control-planes.ts'

const path = (n: number): string => `/meshes/default/meshtimeouts/n-${n}`
const policy = (n: number): object => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name: `n-${n}`,
  spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${n + 1}s` } }] },
})

const without = ((): string | false => {
  try {
    execFileSync('prlimit', ['--version'])
    return false
  } catch {
    return 'no prlimit on this machine (util-linux)'
  }
})()

test('a control plane whose disk is full', { skip: without, timeout: 500_000 }, async () => {
  await using planes = await controlPlanes({ env: { KUMA_STORE_TYPE: 'embedded', KUMA_DEFAULTS_SKIP_HOSTNAME_GENERATORS: 'true' } })
  await planes.start('global')
  const put = (n: number) => http('PUT', `${planes.api('global')}${path(n)}`, policy(n))
  await until('the first write', async () => [200, 201].includes((await put(0)).status))
  const limit = (bytes: number | 'unlimited'): void =>
    void execFileSync('prlimit', ['--pid', String(planes.pid('global')), `--fsize=${bytes}:unlimited`])
  const log = join(planes.workDir('global'), 'store', 'store.db-wal')

  // room for a little more, then none
  limit(statSync(log).size + 100_000)
  const acknowledged: number[] = [0]
  let refused = await put(1)
  for (let n = 1; refused.status !== 503; refused = await put(++n)) {
    assert.ok([200, 201].includes(refused.status), `${refused.status} ${refused.text}`)
    acknowledged.push(n)
    assert.ok(n < 1000, 'the limit is never reached')
  }
  assert.match(refused.text, /cannot write to the store: /)
  assert.equal((await put(acknowledged.length)).status, 503, 'and again')
  for (const n of acknowledged) assert.notEqual(await planes.get('global', path(n)), undefined, `n-${n} can be read`)
  assert.equal(await planes.get('global', path(acknowledged.length)), undefined, 'nothing of what was refused is shown')

  limit('unlimited')
  await until('writes are taken again', async () => [200, 201].includes((await put(acknowledged.length)).status))
  acknowledged.push(acknowledged.length)
  const report = await planes.get('global', '/_weft/audit/verify')
  assert.ok(typeof report === 'object' && report !== null && 'ok' in report && report.ok === true, JSON.stringify(report))

  await planes.kill('global')
  await planes.start('global')
  for (const n of acknowledged) assert.notEqual(await planes.get('global', path(n)), undefined, `n-${n} is there after kill -9`)
})
