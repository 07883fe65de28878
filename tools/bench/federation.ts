// One global and its zones for a stretch of measuring: any control plane that reads KUMA_* settings, each in a folder of its own.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Processes } from '../../apps/demo/src/processes.ts'
import { getJson, http, put, until, zoneToken } from '../../apps/demo/src/rest.ts'
import type { ControlPlane } from './options.ts'
import { freeRange } from './port-range.ts'
import {
  type BenchResource,
  connectTimeout,
  copiedTrust,
  identity,
  mesh,
  meshName,
  pathOf,
  permission,
  serviceOfAllZones,
  zoneAddress,
} from './resources.ts'

export interface Federation {
  readonly zones: readonly string[]
  /** Names of all control planes, `global` first. */
  readonly controlPlanes: readonly string[]
  api(controlPlane: string): string
  /** Where a control plane shows its metrics. */
  metrics(controlPlane: string): string
  /** `host:port` of a zone's dataplane server. */
  dataplaneServer(zone: string): string
  /** A port for the federation's own use, from 0 to 29. */
  ownPort(index: number): number
  /** Where zones reach global. */
  readonly kdsPort: number
  pid(controlPlane: string): number
  start(controlPlane: string): void
  /** SIGKILL. Resolves when it is gone. */
  kill(controlPlane: string): Promise<void>
  /** Resolves with the ms until a control plane's API answers; that of global has then made the tokens of the zones. */
  answers(controlPlane: string): Promise<number>
  /** Resolves with the ms until that many zones are Online at global. */
  online(count: number): Promise<number>
  put(controlPlane: string, resource: BenchResource): Promise<void>
  /** The mesh, its identity, a permission and a service of all zones, at global. */
  writeMesh(): Promise<void>
  /** What is written at a zone: its address, and the other zones' trust where that is done by hand. */
  writeZone(zone: string, ingressPort: number): Promise<void>
  /** Waits until `ask` is true; fails at once when a control plane has ended. */
  until(what: string, ask: () => Promise<boolean>, timeoutMs?: number): Promise<number>
  /** Ends all control planes. */
  stop(): Promise<void>
}

export interface FederationOptions {
  /** Unique among all federations of a run. */
  readonly name: string
  readonly controlPlane: ControlPlane
  readonly zones: readonly string[]
  /** `memory`, or the control plane's own default. */
  readonly store: 'memory' | 'default'
  readonly env: Readonly<Record<string, string>>
  readonly base: number | undefined
  readonly processes: Processes
  /** Names of processes that ended unasked. */
  readonly ended: ReadonlySet<string>
}

const roles = ['api', 'apis', 'diagnostics', 'dataplane', 'interCp', 'monitoring', 'kds'] as const
const ownPorts = 30

/** Chooses its ports; starts nothing yet. */
export async function createFederation(options: FederationOptions): Promise<Federation> {
  const { name, controlPlane, zones, processes, ended } = options
  const controlPlanes = ['global', ...zones]
  const first = await freeRange(controlPlanes.length * roles.length + ownPorts, options.base)
  const port = (of: string, role: (typeof roles)[number]): number => first + controlPlanes.indexOf(of) * roles.length + roles.indexOf(role)
  const processOf = (of: string): string => `${name}-${of}`
  const api = (of: string): string => `http://127.0.0.1:${port(of, 'api')}`

  const tokenFile = (zone: string): string => join(processes.folder(processOf(zone)), 'zone-token')

  const environment = (of: string): Record<string, string> => {
    const all: Record<string, string> = {
      KUMA_ENVIRONMENT: 'universal',
      KUMA_MODE: of === 'global' ? 'global' : 'zone',
      KUMA_GENERAL_WORK_DIR: processes.folder(processOf(of)),
      KUMA_API_SERVER_HTTP_INTERFACE: '127.0.0.1',
      KUMA_API_SERVER_HTTPS_INTERFACE: '127.0.0.1',
      KUMA_API_SERVER_HTTP_PORT: String(port(of, 'api')),
      KUMA_API_SERVER_HTTPS_PORT: String(port(of, 'apis')),
      KUMA_DIAGNOSTICS_SERVER_PORT: String(port(of, 'diagnostics')),
      KUMA_DP_SERVER_PORT: String(port(of, 'dataplane')),
      KUMA_INTER_CP_SERVER_PORT: String(port(of, 'interCp')),
      KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: String(port(of, 'monitoring')),
      KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT: String(port('global', 'kds')),
      ...(options.store === 'memory' && { KUMA_STORE_TYPE: 'memory' }),
      ...(of !== 'global' && {
        KUMA_MULTIZONE_ZONE_NAME: of,
        KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: `grpcs://127.0.0.1:${port('global', 'kds')}`,
        KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'true',
        KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_PATH: tokenFile(of),
      }),
    }
    for (const [key, value] of Object.entries(options.env)) all[key] = value.replaceAll('{name}', of.replaceAll('-', '_'))
    return all
  }
  const waitUntil = (what: string, ask: () => Promise<boolean>, timeoutMs = 60_000): Promise<number> =>
    until(
      what,
      async () => {
        const gone = controlPlanes.find((of) => ended.has(processOf(of)))
        if (gone !== undefined) throw new Error(`${gone} ended: ${lastWords(join(processes.folder(processOf(gone)), 'log'))}`)
        return ask()
      },
      timeoutMs,
    )
  const writeToken = async (zone: string): Promise<void> => {
    mkdirSync(processes.folder(processOf(zone)), { recursive: true })
    writeFileSync(tokenFile(zone), await zoneToken(api('global'), zone), { mode: 0o600 })
  }
  const write = (of: string, resource: BenchResource): Promise<void> => put(api(of), pathOf(resource), resource)

  return {
    zones,
    controlPlanes,
    api,
    metrics: (of) => `http://127.0.0.1:${port(of, 'diagnostics')}/metrics`,
    dataplaneServer: (zone) => `127.0.0.1:${port(zone, 'dataplane')}`,
    ownPort: (index) => first + controlPlanes.length * roles.length + index,
    kdsPort: port('global', 'kds'),
    pid: (of) => processes.pid(processOf(of)) ?? 0,
    start: (of) => processes.start(processOf(of), controlPlane.program, { args: [...controlPlane.args, 'run'], env: environment(of) }),
    kill: (of) => processes.kill(processOf(of)),
    answers: async (of) => {
      const ms = await waitUntil(`API of ${of}`, async () => (await http('GET', api(of))).status === 200)
      if (of === 'global') for (const zone of zones) await writeToken(zone)
      return ms
    },
    online: (count) => waitUntil(`${count} zones Online`, async () => (await onlineZones(api('global'))) === count),
    put: write,
    writeMesh: async () => {
      await write('global', mesh)
      await write('global', identity)
      await write('global', permission(zones))
      await write('global', serviceOfAllZones('probe-0'))
      await write('global', connectTimeout(2000))
    },
    writeZone: async (zone, ingressPort) => {
      await waitUntil(
        `mesh and identity in ${zone}`,
        async () => (await items(`${api(zone)}/meshes/${meshName}/meshidentities`)).length > 0,
      )
      await write(zone, zoneAddress(zone, ingressPort))
      if (!controlPlane.needsSharedTrust) return
      for (const other of zones) {
        if (other === zone) continue
        const spec = await trustOf(other, { api: api(other), until: waitUntil })
        await write(zone, copiedTrust(spec, other, zone))
      }
    },
    until: waitUntil,
    stop: async () => {
      await Promise.all(controlPlanes.map((of) => processes.kill(processOf(of))))
    },
  }
}

async function trustOf(
  zone: string,
  { api, until: waitUntil }: { readonly api: string; readonly until: Federation['until'] },
): Promise<object> {
  let spec: object | undefined
  await waitUntil(`trust of ${zone}`, async () => {
    for (const item of await items(`${api}/meshes/${meshName}/meshtrusts`)) {
      const candidate = item['spec']
      if (isObject(candidate) && candidate['trustDomain'] === `${meshName}.${zone}.mesh.local`) spec = candidate
    }
    return spec !== undefined
  })
  return spec ?? {}
}

async function onlineZones(globalApi: string): Promise<number> {
  let count = 0
  for (const { zoneInsight } of await items(`${globalApi}/zones+insights`)) {
    const subscriptions = isObject(zoneInsight) ? zoneInsight['subscriptions'] : undefined
    const last: unknown = Array.isArray(subscriptions) ? subscriptions.at(-1) : undefined
    if (isObject(last) && last['connectTime'] && !last['disconnectTime']) count++
  }
  return count
}

type JsonObject = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function items(url: string): Promise<readonly JsonObject[]> {
  const list = await getJson(url)
  return isObject(list) && Array.isArray(list['items']) ? list['items'].filter(isObject) : []
}

/** The line of a log that tells most about an end: the last that names an error, else the last of all. */
function lastWords(path: string): string {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').slice(-60) : []
  const telling = lines.findLast((line) => /error|panic|fatal/i.test(line) && !/^\s+at /.test(line))
  return `${(telling ?? lines.at(-1) ?? 'no log').slice(0, 400)} (--keep leaves its log)`
}
