// Whole federations with stock binaries, driven by the interoperability lab: the scripts behind WEFT_LAB run our control planes with the stock
// kuma-dp and kumactl behind WEFT_REFERENCE. They use fixed ports, so everything here runs one after the other.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root } from '../../tools/run-command.ts'

const lab = process.env['WEFT_LAB'] ?? ''
const reference = process.env['WEFT_REFERENCE'] ?? ''
const envoy = process.env['ENVOY_PATH'] ?? ''
const missing = [
  ...(existsSync(join(lab, 'lab.py')) ? [] : ['WEFT_LAB is not a folder with lab.py']),
  ...(existsSync(join(reference, 'kuma-dp')) ? [] : ['WEFT_REFERENCE is not a folder with kuma-dp and kumactl']),
  ...(existsSync(envoy) ? [] : ['ENVOY_PATH is not set']),
].join('; ')

interface Outcome {
  readonly code: number | null
  readonly text: string
}

/** Runs one script with our control plane; its last lines are what a failing assertion shows. */
function script(name: string, args: readonly string[]): Promise<Outcome> {
  const work = mkdtempSync(join(tmpdir(), 'wl-'))
  return new Promise((done) => {
    const child = spawn('python3', [join(lab, name), ...args, '--cp', `${join(root, 'weft')} cp`, '--work', join(work, 'w')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    child.on('close', (code) => {
      rmSync(work, { recursive: true, force: true })
      done({ code, text: text.split('\n').slice(-40).join('\n') })
    })
  })
}

const goldens = ['--src', join(lab, 'goldens')]
const proxies = ['--dp', join(reference, 'kuma-dp'), '--envoy', envoy]
const federation = [...proxies, '--ctl', join(reference, 'kumactl'), '--no-share-trust']
// policies of later issues have no effect yet
const builtPolicies = ['meshtimeout', 'meshretry', 'meshcircuitbreaker', 'meshtls', 'meshtrafficpermission', 'meshloadbalancingstrategy']
  .map((name) => `sidecars/${name}/*`)
  .join()

describe('with stock kuma-dp and kumactl', { skip: missing === '' ? false : missing, concurrency: 1 }, () => {
  test('traffic crosses zones over mTLS and follows policy written at global', { timeout: 400_000 }, async () => {
    const { code, text } = await script('lab.py', ['e2e', ...federation])
    assert.equal(code, 0, text)
    assert.match(text, /OK cross-zone traffic/)
    assert.match(text, /OK policy at global allows again/)
  })

  test('no request fails while control planes are killed and come back', { timeout: 400_000 }, async () => {
    const { code, text } = await script('lab.py', ['resilience', ...federation, '--env', 'KUMA_STORE_TYPE='])
    assert.equal(code, 0, text)
    assert.match(text, /\n0 failed in all/)
  })

  test('REST answers are the expected ones', { timeout: 400_000 }, async () => {
    const { code, text } = await script('apigolden.py', [...goldens, '--only', 'resources/crud/*,base_endpoints/*,insights/*'])
    assert.equal(code, 0, text)
    assert.match(text, /[1-9]\d* passed, 0 failed, 0 not loadable/)
  })

  test('labels, origins and full sync across global and zones are the expected ones', { timeout: 600_000 }, async () => {
    const { code, text } = await script('kdsgolden.py', goldens)
    assert.equal(code, 0, text)
  })

  test('Envoy configuration of real proxies is the expected one', { timeout: 600_000 }, async () => {
    const { code, text } = await script('xdsgolden.py', [...goldens, ...proxies, '--suite', 'sidecars', '--only', builtPolicies])
    assert.equal(code, 0, text)
    assert.match(text, /[1-9]\d* passed, 0 failed/)
  })
})
