// The content of the image, laid out in a folder: it starts with nothing else around it, tells its health, and stops in order.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { until } from '../../apps/demo/src/rest.ts'
import { root } from '../../tools/run-command.ts'
import { freePorts } from '../e2e/zone.ts'

const skip = process.platform === 'linux' ? false : 'images are made for Linux'
const dockerfile = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8')
let folder = ''
let bin = ''

before(() => {
  if (skip) return
  folder = mkdtempSync(join(tmpdir(), 'weft-image-'))
  execFileSync('sh', [join(root, 'deploy/assemble.sh'), folder])
  bin = join(folder, 'opt/weft')
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** The command behind HEALTHCHECK in a stage. */
function healthCheck(stage: string): readonly string[] {
  const text = dockerfile.split(/^FROM /m).find((part) => part.split('\n')[0]?.endsWith(` AS ${stage}`))
  return JSON.parse(/HEALTHCHECK [^[]*CMD (\[.*\])/s.exec(text ?? '')?.[1]?.split('\n')[0] ?? '[]') as string[]
}

test('a control plane starts from the files of the image alone, and its health check follows it', { skip }, async () => {
  const [api = 0, https = 0, diagnostics = 0, proxies = 0, mads = 0, inter = 0] = await freePorts(6)
  // the PATH of the image, with the folder in place of its root
  const path = `${bin}:${join(bin, 'bin')}:/usr/bin:/bin`
  const env = {
    PATH: path,
    KUMA_STORE_TYPE: 'memory',
    KUMA_GENERAL_WORK_DIR: join(folder, 'var'),
    KUMA_API_SERVER_HTTP_PORT: String(api),
    KUMA_API_SERVER_HTTPS_PORT: String(https),
    KUMA_DIAGNOSTICS_SERVER_PORT: String(diagnostics),
    KUMA_DP_SERVER_PORT: String(proxies),
    KUMA_INTER_CP_SERVER_PORT: String(inter),
    KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: String(mads),
  }
  const [program = '', ...args] = healthCheck('cp')
  const isHealthy = (): Promise<boolean> =>
    promisify(execFile)(program, args, { env }).then(
      () => true,
      () => false,
    )
  assert.equal(await isHealthy(), false)
  const child = spawn('weft', ['cp', 'run'], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += String(bytes)))
  const ended = once(child, 'exit')
  try {
    await until('the health check passes', async () => {
      assert.equal(child.exitCode, null, said)
      return isHealthy()
    })
    const answer = execFileSync('weft', ['--address', `http://127.0.0.1:${api}`, 'version'], { env, encoding: 'utf8' })
    assert.match(answer, /"product"|"tagline"|weft/i)
  } finally {
    child.kill('SIGTERM')
  }
  assert.deepEqual(await ended, [0, null], said)
  assert.doesNotMatch(said, /No such file|not found/i)
})

test('everything the build stage reads is in the build context', () => {
  const ignored = readFileSync(join(root, 'deploy/Dockerfile.dockerignore'), 'utf8').split('\n')
  const included = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  for (const path of included) assert.ok(existsSync(join(root, path)), path)
  // what assemble.sh copies from the root, and what installing and building need
  for (const needed of [
    'weft',
    'LICENSE',
    'NOTICE',
    'package.json',
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    'packages',
    'apps',
    'tools',
    'proto',
  ])
    assert.ok(included.includes(needed), needed)
})

test('images run as a user without rights', () => {
  assert.match(dockerfile, /^USER 65532:65532$/m)
  for (const stage of ['cp', 'dp']) assert.ok(healthCheck(stage).length > 0, stage)
})
