// A global and a zone control plane as processes of their own, for tests that kill them. Memory stores, loopback, ports from the kernel.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProcesses } from '../../apps/demo/src/processes.ts'
import { dataplaneToken, getJson, http, put, until, zoneToken } from '../../apps/demo/src/rest.ts'
import { root } from '../../tools/run-command.ts'
import { freePorts } from '../e2e/zone.ts'

export type Role = 'global' | 'zone'

export interface ControlPlanes extends AsyncDisposable {
  /** Base URL of a REST API. */
  api(role: Role): string
  /** Base URL of the diagnostics server. */
  diagnostics(role: Role): string
  /** Where a control plane keeps its state. */
  workDir(role: Role): string
  /** `host:port` that proxies of the zone connect to. */
  readonly proxies: string
  /** Starts a control plane, empty. Resolves when its API answers. */
  start(role: Role): Promise<void>
  /** SIGKILL. */
  kill(role: Role): Promise<void>
  put(role: Role, path: string, resource: object): Promise<void>
  remove(role: Role, path: string): Promise<void>
  /** A JSON answer; undefined when there is none with status 200. */
  get(role: Role, path: string): Promise<unknown>
  token(workload: string): Promise<string>
  /** Of the process of a control plane that runs. */
  pid(role: Role): number | undefined
  /** What a control plane wrote to its log. */
  logOf(role: Role): string
}

/** Name of the zone. */
export const zone = 'east'

/** Role, work folder and the ports that every control plane opens: REST, REST over TLS, diagnostics, proxies, inter-CP, monitoring. */
export function basicSettings(role: Role, workDir: string, port: (at: number) => number): Record<string, string> {
  return {
    KUMA_MODE: role,
    KUMA_ENVIRONMENT: 'universal',
    KUMA_GENERAL_WORK_DIR: workDir,
    KUMA_API_SERVER_HTTP_PORT: String(port(0)),
    KUMA_API_SERVER_HTTPS_PORT: String(port(1)),
    KUMA_DIAGNOSTICS_SERVER_PORT: String(port(2)),
    KUMA_DP_SERVER_PORT: String(port(3)),
    KUMA_INTER_CP_SERVER_PORT: String(port(4)),
    KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: String(port(5)),
  }
}

/** Knows ports and folders; nothing runs yet. A standalone zone has no global. */
export async function controlPlanes(
  options: {
    readonly standalone?: boolean
    readonly env?: Readonly<Record<string, string>>
    /** Settings of one of them. */
    readonly envOf?: (role: Role) => Readonly<Record<string, string>>
  } = {},
): Promise<ControlPlanes> {
  const dataDir = mkdtempSync(join(tmpdir(), 'wi-'))
  const ports = await freePorts(13)
  const port = (role: Role, at: number): number => ports[(role === 'global' ? 0 : 6) + at] ?? 0
  const kdsPort = ports[12] ?? 0
  const tokenFile = join(dataDir, 'zone-token')
  const failures: string[] = []
  const processes = createProcesses(dataDir, (name, code) => failures.push(`${name} ended with ${code}`))
  const api = (role: Role): string => `http://127.0.0.1:${port(role, 0)}`
  const own = (role: Role): Record<string, string> => {
    if (role === 'global') return { KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT: String(kdsPort) }
    const federated = {
      KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: `grpcs://127.0.0.1:${kdsPort}`,
      KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'true',
      KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_PATH: tokenFile,
    }
    return { KUMA_MULTIZONE_ZONE_NAME: zone, ...(options.standalone ? {} : federated) }
  }
  return {
    api,
    diagnostics: (role) => `http://127.0.0.1:${port(role, 2)}`,
    workDir: (role) => join(dataDir, role),
    proxies: `127.0.0.1:${port('zone', 3)}`,
    start: async (role) => {
      processes.start(role, join(root, 'weft'), {
        args: ['cp', 'run'],
        env: {
          ...basicSettings(role, join(dataDir, role), (at) => port(role, at)),
          KUMA_STORE_TYPE: 'memory',
          ...own(role),
          ...options.env,
          ...options.envOf?.(role),
        },
      })
      await until(`API of ${role}`, async () => {
        if (failures.length > 0) throw new Error(failures.join('; '))
        return (await http('GET', api(role))).status === 200
      })
      // an empty global has other keys, so the zone needs another token; it reads the file at every connection
      if (role === 'global') writeFileSync(tokenFile, await zoneToken(api(role), zone), { mode: 0o600 })
    },
    kill: (role) => processes.kill(role),
    put: (role, path, resource) => put(api(role), path, resource),
    remove: async (role, path) => {
      const answer = await http('DELETE', `${api(role)}${path}`)
      if (answer.status !== 200) throw new Error(`DELETE ${path}: ${answer.status} ${answer.text}`)
    },
    get: (role, path) => getJson(`${api(role)}${path}`),
    token: (workload) => dataplaneToken(api('zone'), workload),
    pid: processes.pid,
    logOf: (role) => join(processes.folder(role), 'log'),
    [Symbol.asyncDispose]: async () => {
      await processes.stopAll()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
