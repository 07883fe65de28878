// A zone control plane with a store on disk that is pointed from one global to another: processes, REST, CLI and what its proxies have.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { createProcesses } from '../../apps/demo/src/processes.ts'
import { getJson, http, put, until } from '../../apps/demo/src/rest.ts'
import { root } from '../../tools/run-command.ts'
import { freePorts } from '../e2e/zone.ts'
import { zone } from './control-planes.ts'
import { proxyGroup, services } from './watched-proxy.ts'

const program = join(root, 'weft')
const waitMs = 180_000
const names = ['global-a', 'global-b', 'zone'] as const
type Name = (typeof names)[number]

interface SyncView {
  readonly global?: {
    readonly state?: string
    readonly pin?: { readonly clusterId?: string; readonly lasting?: boolean }
    readonly otherGlobal?: { readonly code?: string; readonly clusterId?: string }
  }
}

test('a zone that is pointed to another global goes on as it is until that one is adopted', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'wo-'))
  const ports = await freePorts(21)
  const port = (name: Name, at: number): number => ports[names.indexOf(name) * 7 + at] ?? 0
  const api = (name: Name): string => `http://127.0.0.1:${port(name, 0)}`
  const failures: string[] = []
  const processes = createProcesses(dataDir, (name, code) => failures.push(`${name} ended with ${code}`))
  const start = async (name: Name, env: Readonly<Record<string, string>>, flags: readonly string[] = []): Promise<void> => {
    processes.start(name, program, {
      args: ['cp', 'run', ...flags],
      env: {
        KUMA_GENERAL_WORK_DIR: join(dataDir, name),
        KUMA_API_SERVER_HTTP_PORT: String(port(name, 0)),
        KUMA_API_SERVER_HTTPS_PORT: String(port(name, 1)),
        KUMA_DIAGNOSTICS_SERVER_PORT: String(port(name, 2)),
        KUMA_DP_SERVER_PORT: String(port(name, 3)),
        KUMA_INTER_CP_SERVER_PORT: String(port(name, 4)),
        KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: String(port(name, 5)),
        ...env,
      },
    })
    await until(
      `API of ${name}`,
      async () => {
        if (failures.length > 0) throw new Error(failures.join('; '))
        return (await http('GET', api(name))).status === 200
      },
      waitMs,
    )
  }
  const startGlobal = (name: Name): Promise<void> =>
    start(name, {
      KUMA_MODE: 'global',
      KUMA_STORE_TYPE: 'embedded',
      KUMA_DEFAULTS_SKIP_MESH_CREATION: 'true',
      KUMA_MULTIZONE_GLOBAL_KDS_AUTH_TYPE: 'none',
      KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT: String(port(name, 6)),
    })
  const restartZone = async (
    under: Name,
    { env = {}, flags = [] }: { readonly env?: Readonly<Record<string, string>>; readonly flags?: readonly string[] } = {},
  ): Promise<void> => {
    await processes.kill('zone')
    const settings = {
      KUMA_MODE: 'zone',
      KUMA_STORE_TYPE: 'embedded',
      KUMA_MULTIZONE_ZONE_NAME: zone,
      KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: `grpcs://127.0.0.1:${port(under, 6)}`,
      KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'true',
      KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE: 'none',
      ...env,
    }
    await start('zone', settings, flags)
  }
  const sync = async (): Promise<NonNullable<SyncView['global']>> =>
    ((await getJson(`${api('zone')}/_weft/sync`)) as SyncView | undefined)?.global ?? {}
  const has = async (name: Name, mesh: string): Promise<boolean> => (await http('GET', `${api(name)}/meshes/${mesh}`)).status === 200
  const idOf = async (name: Name): Promise<string> => {
    const index = await getJson(api(name))
    return typeof index === 'object' && index !== null && 'clusterId' in index ? String(index.clusterId) : ''
  }
  /** What the command says once the zone has its session with the other global: it ends and is made again while the two differ. */
  const says = async (args: readonly string[], expected: RegExp): Promise<void> => {
    let said = ''
    const run = async (): Promise<boolean> => {
      said = await promisify(execFile)(program, ['--address', api('zone'), 'sync', ...args]).then(({ stdout }) => stdout, String)
      return expected.test(said)
    }
    await until(`weft sync ${args.join(' ')}`, run, waitMs).catch((error: unknown) => assert.fail(`${String(error)}: ${said}`))
  }
  const proxies = proxyGroup(`127.0.0.1:${port('zone', 3)}`)
  const allBack = () => until('all proxies connected', async () => proxies.all.every(({ proxy }) => proxy.isConnected), waitMs)
  try {
    await startGlobal('global-a')
    await startGlobal('global-b')
    for (const [name, mesh] of [
      ['global-a', 'default'],
      ['global-a', 'only-a'],
      ['global-b', 'only-b'],
    ] as const)
      await put(api(name), `/meshes/${mesh}`, { type: 'Mesh', name: mesh })
    await until('cluster ids', async () => (await idOf('global-a')) !== '' && (await idOf('global-b')) !== '', waitMs)
    const [a, b] = [await idOf('global-a'), await idOf('global-b')]
    await restartZone('global-a')
    await until('the first global in the zone', () => has('zone', 'only-a'), waitMs)
    assert.deepEqual((await sync()).pin, { ...(await sync()).pin, clusterId: a, lasting: true })

    for (let index = 0; index < services; index++) proxies.add('sidecar', { index, token: '' })
    await until('all proxies complete', async () => proxies.all.every(({ proxy }) => proxy.completeAt !== undefined), waitMs)
    proxies.mark()

    await restartZone('global-b')
    await until(
      'the other global is refused',
      async () => (await sync()).otherGlobal?.clusterId === b && (await sync()).state === 'other-global',
      waitMs,
    )
    assert.deepEqual(
      [(await sync()).otherGlobal?.code, (await sync()).otherGlobal?.clusterId, await has('zone', 'only-b'), await has('zone', 'only-a')],
      ['kds/other-global', b, false, true],
    )
    await says(['status'], new RegExp(`belongs to global ${a} .*\\n.*another global answers .* ${b}`))
    await says(['adopt'], /added +Mesh +1 +only-b\nkept, held +Mesh +2 +default, only-a/)
    assert.equal(await has('zone', 'only-b'), false)

    await says(['adopt', '--cluster-id', b, '--yes'], new RegExp(`belongs to global ${b}`))
    await until('the adopted global in the zone', () => has('zone', 'only-b'), waitMs)
    await says(['held'], /only-a/)
    assert.equal(await has('zone', 'only-a'), true)

    await restartZone('global-b')
    await until('the adopted one is known after a restart', async () => (await sync()).state === 'connected', waitMs)
    await allBack()
    assert.deepEqual(proxies.losses.removed, [], 'proxies keep what they have all the while')
    const belongsTo = (id: string) =>
      until(
        'the configured one is adopted',
        async () => (await sync()).state === 'connected' && (await sync()).pin?.clusterId === id,
        waitMs,
      )
    await restartZone('global-a', { env: { WEFT_ADOPT: a } })
    await belongsTo(a)
    await restartZone('global-b', { flags: ['--adopt', b] })
    await belongsTo(b)
  } finally {
    proxies.close()
    await processes.stopAll()
    rmSync(dataDir, { recursive: true, force: true })
  }
})
