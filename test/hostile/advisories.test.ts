// Lessons of other meshes' advisories that no test of a single package can hold; docs/security.md lists all of them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { http, put, until } from '../../apps/demo/src/rest.ts'
import { loadPackages, sourceFiles } from '../../tools/check-boundaries.ts'
import { root } from '../../tools/run-command.ts'
import { type ChaosFederation, chaosFederation } from '../chaos/federation.ts'

/** Versions of a library in the lock file. */
function locked(name: string): readonly (readonly number[])[] {
  const text = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
  const found = [...text.matchAll(/^ {2}'?(@?[^@'\s]+)@(\d+)\.(\d+)\.(\d+)'?:$/gm)].filter((match) => match[1] === name)
  return found.map((match) => match.slice(2).map(Number))
}

function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  for (const [index, part] of least.entries()) if (version[index] !== part) return (version[index] ?? 0) > part
  return true
}

test('libraries are newer than what their advisories name', () => {
  const least: readonly (readonly [string, (version: readonly number[]) => boolean])[] = [
    ['@grpc/grpc-js', (version) => isAtLeast(version, [1, 14, 4])],
    ['protobufjs', (version) => (version[0] === 7 ? isAtLeast(version, [7, 6, 1]) : isAtLeast(version, [8, 0, 2]))],
  ]
  for (const [name, isFixed] of least) {
    const versions = locked(name)
    assert.ok(versions.length > 0, name)
    for (const version of versions) assert.ok(isFixed(version), `${name} ${version.join('.')}`)
  }
  const envoy = /const version = '(\d+)\.(\d+)\.(\d+)'/.exec(readFileSync(join(root, 'tools/envoy-binary.mjs'), 'utf8'))
  assert.ok(envoy && isAtLeast(envoy.slice(1).map(Number), [1, 22, 1]), 'clusters removed at once (CVE-2022-23606)')
})

test('no control plane fetches what a user names: only the admin port of a proxy is ever dialled', () => {
  const clients = /\bfetch\(|\brequest\b[^\n]*from 'node:https?'|from 'undici'|\bhttps?\.get\(/
  const sources = loadPackages(root)
    .map(({ dir }) => join(dir, 'src'))
    .filter((dir) => /packages\/|control-plane/.test(relative(root, dir)) && !/packages\/testkit/.test(dir))
    .flatMap((dir) => sourceFiles(dir))
    .filter((file) => !/\.test\.ts$|\/testing\/|\/fakes\/|fixture/.test(file))
  assert.ok(sources.length > 100)
  const found = sources.filter((file) => clients.test(readFileSync(file, 'utf8'))).map((file) => relative(root, file))
  assert.deepEqual(found, ['packages/dataplane-server/src/envoy-admin.ts'])
})

test('identities are matched as texts, never as regular expressions', () => {
  const folder = join(root, 'packages/policies/src/mesh-traffic-permission')
  const cases = readdirSync(join(folder, 'cases')).filter((name) => name.endsWith('.golden.json'))
  assert.ok(cases.length > 5)
  for (const name of cases) assert.doesNotMatch(readFileSync(join(folder, 'cases', name), 'utf8'), /regex/i, name)
  assert.doesNotMatch(readFileSync(join(folder, 'rbac.ts'), 'utf8'), /regex/i)
})

describe('with a control plane', { concurrency: 1, timeout: 400_000 }, () => {
  let federation: ChaosFederation
  before(async () => {
    federation = await chaosFederation({ zones: [{ name: 'east', store: 'memory' }] })
    await federation.plane('global').start()
    await federation.plane('east').start()
  })
  after(() => federation[Symbol.asyncDispose]())

  const write = async (path: string, body: object): Promise<number> =>
    (await http('PUT', `${federation.plane('global').api}${path}`, body)).status

  test('control characters get into no name of a certificate and no matcher', async () => {
    const identity = (spiffeID: object): object => ({
      type: 'MeshIdentity',
      mesh: 'default',
      name: 'nul',
      spec: {
        selector: { dataplane: { matchLabels: {} } },
        spiffeID,
        provider: { type: 'Bundled', bundled: { insecureAllowSelfSigned: true, autogenerate: { enabled: true } } },
      },
    })
    const path = '/meshes/default/meshidentities/nul'
    assert.equal(await write(path, identity({ trustDomain: 'good.example\u0000.evil' })), 400)
    assert.equal(await write(path, identity({ path: '/a\u0000b' })), 400)
    assert.equal(await write(path, identity({ trustDomain: 'good.example' })), 201)
    for (const type of ['Exact', 'Prefix']) {
      const rules = [{ default: { allow: [{ spiffeID: { type, value: 'spiffe://a/b\u0000c' } }] } }]
      const status = await write('/meshes/default/meshtrafficpermissions/nul', {
        type: 'MeshTrafficPermission',
        mesh: 'default',
        name: 'nul',
        spec: { rules },
      })
      assert.equal(status, 400, type)
    }
    assert.equal(await write('/meshes/default', { type: 'Mesh', name: 'default', labels: { a: 'x\u0000y' } }), 400)
  })

  test('an authority from a file: no answer and no log shows what the file holds', async () => {
    const identity = (path: string): object => ({
      type: 'MeshIdentity',
      mesh: 'default',
      name: 'file',
      spec: {
        selector: { dataplane: { matchLabels: {} } },
        provider: {
          type: 'Bundled',
          bundled: { ca: { certificate: { type: 'File', file: { path } }, privateKey: { type: 'File', file: { path } } } },
        },
      },
    })
    const path = '/meshes/default/meshidentities/file'
    const east = federation.plane('east')
    await put(federation.plane('global').api, path, identity('/etc/passwd'))
    const shown = async (): Promise<string> => (await http('GET', `${east.api}/meshidentities?size=100`)).text
    await until('the identity in the zone', async () => /passwd/.test(await shown()))
    // the zone has tried by the time its condition names the file
    await until('a condition', async () => /"reason"/.test(await shown()))
    assert.doesNotMatch(await shown(), /root:/)
    assert.doesNotMatch(readFileSync(east.log, 'utf8'), /root:x?:0/)
  })

  test('the launcher does not talk to a control plane it cannot verify', async () => {
    const child = spawn(
      join(root, 'weft'),
      ['dp', 'run', '--cp-address', `https://127.0.0.1:${federation.dataplanePort('east')}`, '--mesh', 'default', '--name', 'dp-1'],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ENVOY_PATH: process.env['ENVOY_PATH'] ?? '/bin/false' } },
    )
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const refusal = new Promise<void>((done) => {
      const look = (): void => {
        if (/certificate/i.test(text)) done()
      }
      for (const stream of [child.stdout, child.stderr]) stream.on('data', look)
      child.on('exit', () => done())
    })
    await refusal
    child.kill('SIGKILL')
    assert.match(text, /certificate/i)
  })
})
