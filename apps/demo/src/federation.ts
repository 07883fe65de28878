// One global, two zones, their proxies and services on loopback: which process, which ports, which folder.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Processes } from './processes.ts'
import { dataplane, type ZoneName, zones } from './resources.ts'
import { dataplaneToken, getJson, until, zoneToken } from './rest.ts'

export interface Federation {
  readonly globalApi: string
  zoneApi(zone: ZoneName): string
  startGlobal(): void
  /** Has global make the token that lets the zone in, and keeps it in the zone's folder. */
  writeZoneToken(zone: ZoneName): Promise<void>
  startZone(zone: ZoneName): void
  /** Resolves with the milliseconds until all zones are Online at global. */
  allOnline(): Promise<number>
  /** Starts a proxy with `weft dp run`; the token comes from the zone. */
  startProxy(zone: ZoneName, name: string, workload: string, networking: object): Promise<void>
  ports(zone: ZoneName): ZonePorts
}

export interface ZonePorts {
  readonly ingress: number
  readonly backend: number
  readonly backendService: number
  readonly client: number
  /** Where the client reaches the other zone's backend. */
  readonly toOtherZone: number
  /** Where the client reaches the backend of all zones. */
  readonly toEverywhere: number
}

export interface FederationOptions {
  readonly weft: string
  readonly base: number
  readonly processes: Processes
}

const offsets = { mads: 76, dp: 78, diagnostics: 80, api: 81, apis: 82, interCp: 83, kds: 85 } as const

export function createFederation({ weft, base, processes }: FederationOptions): Federation {
  const port = (index: number, name: keyof typeof offsets): number => base + index * 100 + offsets[name]
  const indexOf = (zone: ZoneName): number => zones.indexOf(zone) + 1
  const api = (index: number): string => `http://127.0.0.1:${port(index, 'api')}`
  const tokenFile = (zone: ZoneName): string => join(processes.folder(zone), 'zone-token')
  let readinessPort = base + 360
  const environment = (index: number, name: string): Record<string, string> => ({
    KUMA_ENVIRONMENT: 'universal',
    KUMA_GENERAL_WORK_DIR: processes.folder(name),
    KUMA_API_SERVER_HTTP_PORT: String(port(index, 'api')),
    KUMA_API_SERVER_HTTPS_PORT: String(port(index, 'apis')),
    KUMA_API_SERVER_HTTP_INTERFACE: '127.0.0.1',
    KUMA_API_SERVER_HTTPS_INTERFACE: '127.0.0.1',
    KUMA_DIAGNOSTICS_SERVER_PORT: String(port(index, 'diagnostics')),
    KUMA_INTER_CP_SERVER_PORT: String(port(index, 'interCp')),
    KUMA_DP_SERVER_PORT: String(port(index, 'dp')),
    KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: String(port(index, 'mads')),
    KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT: String(port(0, 'kds')),
  })
  return {
    globalApi: api(0),
    zoneApi: (zone) => api(indexOf(zone)),
    startGlobal: () => processes.start('global', weft, { args: ['cp', 'run'], env: { ...environment(0, 'global'), KUMA_MODE: 'global' } }),
    writeZoneToken: async (zone) => {
      mkdirSync(processes.folder(zone), { recursive: true })
      writeFileSync(tokenFile(zone), await zoneToken(api(0), zone), { mode: 0o600 })
    },
    startZone: (zone) =>
      processes.start(zone, weft, {
        args: ['cp', 'run'],
        env: {
          ...environment(indexOf(zone), zone),
          KUMA_MODE: 'zone',
          KUMA_MULTIZONE_ZONE_NAME: zone,
          KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: `grpcs://127.0.0.1:${port(0, 'kds')}`,
          KUMA_MULTIZONE_ZONE_KDS_ROOT_CA_FILE: join(processes.folder('global'), 'kuma-cp.crt'),
          KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_PATH: tokenFile(zone),
        },
      }),
    allOnline: () => until('zones online', async () => onlineZones(await getJson(`${api(0)}/zones/_overview`)) === zones.length),
    startProxy: async (zone, name, workload, networking) => {
      const token = await dataplaneToken(api(indexOf(zone)), workload)
      const folder = processes.folder(name)
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'token'), token, { mode: 0o600 })
      writeFileSync(join(folder, 'dataplane.json'), JSON.stringify(dataplane(name, workload, networking), undefined, 2))
      processes.start(name, weft, {
        args: [
          'dp',
          'run',
          '--cp-address',
          `https://127.0.0.1:${port(indexOf(zone), 'dp')}`,
          '--skip-verify',
          '--dataplane-file',
          join(folder, 'dataplane.json'),
          '--dataplane-token-file',
          join(folder, 'token'),
          '--work-dir',
          folder,
          '--concurrency',
          '1',
          '--drain-time',
          '1s',
          '--readiness-port',
          String(readinessPort++),
          // the proxies of all zones share this host, and nothing redirects its queries
          '--dns-enabled=false',
        ],
      })
    },
    ports: (zone) => {
      const from = base + 300 + indexOf(zone) * 10
      return { ingress: from, backend: from + 1, backendService: from + 2, client: from + 3, toOtherZone: from + 4, toEverywhere: from + 5 }
    },
  }
}

function onlineZones(overview: unknown): number {
  // the shape is our own API's (contract/rest-cli-gui.md section 6.3); anything else counts as no zone
  const items =
    (
      overview as
        | { items?: readonly { zoneInsight?: { subscriptions?: readonly { connectTime?: string; disconnectTime?: string }[] } }[] }
        | undefined
    )?.items ?? []
  return items.filter((item) => {
    const last = item.zoneInsight?.subscriptions?.at(-1)
    return last?.connectTime !== undefined && last.disconnectTime === undefined
  }).length
}
