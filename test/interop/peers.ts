// A federation of control planes as processes, each either ours or the stock one, on memory stores and ports from the kernel. What a test sees of them
// is their REST API, which is the same on both.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProcesses, type Processes } from '../../apps/demo/src/processes.ts'
import { getJson, http, put, until } from '../../apps/demo/src/rest.ts'
import { root } from '../../tools/run-command.ts'
import { freePorts } from '../e2e/zone.ts'
import { stock } from './reference.ts'

export type Kind = 'ours' | 'stock'

/** A resource as REST shows it. */
export interface Shown {
  readonly type: string
  readonly name: string
  readonly mesh?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec?: unknown
  readonly status?: unknown
  readonly [field: string]: unknown
}

/** One control plane. */
export interface Peer {
  readonly name: string
  readonly kind: Kind
  /** Base URL of its REST API. */
  readonly api: string
  /** `host:port` that proxies connect to. */
  readonly proxies: string
  readonly log: string
  /** Where it keeps its state. */
  readonly workDir: string
  /** Resolves when its API answers. */
  start(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGTERM. */
  stop(): Promise<void>
  put(path: string, resource: object): Promise<void>
  remove(path: string): Promise<void>
  get(path: string): Promise<unknown>
  /** Items of a list; none when there is no such list. */
  items(path: string): Promise<readonly Shown[]>
  /** One resource, when it is there. */
  find(path: string, displayName: string): Promise<Shown | undefined>
}

export interface Federation extends AsyncDisposable {
  readonly processes: Processes
  readonly global: Peer
  /** Port of the global's sync server. */
  readonly kdsPort: number
  zone(name: string): Peer
  /** Another process that calls itself by the name of a zone. */
  twin(name: string, kind: Kind): Promise<Peer>
  /** The last subscription of a zone as global shows it. */
  subscription(zone: string): Promise<Readonly<Record<string, unknown>> | undefined>
  isOnline(zone: string): Promise<boolean>
}

export interface FederationPlan {
  readonly global: Kind
  readonly zones: Readonly<Record<string, Kind>>
  readonly plaintext?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly globalEnv?: Readonly<Record<string, string>>
  readonly zoneEnv?: Readonly<Record<string, string>>
  /** Where zones dial instead of the global of this federation. */
  readonly dial?: string
}

/** Knows ports and folders; nothing runs before a peer is started. */
export async function federation(plan: FederationPlan): Promise<Federation> {
  const dataDir = mkdtempSync(join(tmpdir(), 'wp-'))
  const processes = createProcesses(dataDir, () => {})
  const [kdsPort = 0] = await freePorts(1)
  const peers = new Map<string, Peer>()

  const peer = async (key: string, name: string, kind: Kind): Promise<Peer> => {
    const ports = await freePorts(6)
    const [api, https, diagnostics, dp, interCp, mads] = ports.map(String)
    const isGlobal = name === 'global'
    const env: Record<string, string> = {
      KUMA_ENVIRONMENT: 'universal',
      KUMA_STORE_TYPE: 'memory',
      KUMA_MODE: isGlobal ? 'global' : 'zone',
      KUMA_GENERAL_WORK_DIR: join(dataDir, key),
      KUMA_API_SERVER_HTTP_PORT: api ?? '',
      KUMA_API_SERVER_HTTPS_PORT: https ?? '',
      KUMA_DIAGNOSTICS_SERVER_PORT: diagnostics ?? '',
      KUMA_DP_SERVER_PORT: dp ?? '',
      KUMA_INTER_CP_SERVER_PORT: interCp ?? '',
      KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: mads ?? '',
      ...(isGlobal
        ? {
            KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT: String(kdsPort),
            KUMA_MULTIZONE_GLOBAL_KDS_TLS_ENABLED: String(!plan.plaintext),
            KUMA_MULTIZONE_GLOBAL_KDS_AUTH_TYPE: 'none',
            KUMA_MULTIZONE_GLOBAL_KDS_ZONE_INSIGHT_FLUSH_INTERVAL: '1s',
          }
        : {
            KUMA_MULTIZONE_ZONE_NAME: name,
            KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: plan.dial ?? `${plan.plaintext ? 'grpc' : 'grpcs'}://127.0.0.1:${kdsPort}`,
            KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'true',
          }),
      ...plan.env,
      ...(isGlobal ? plan.globalEnv : plan.zoneEnv),
    }
    const url = `http://127.0.0.1:${api}`
    const program = kind === 'ours' ? join(root, 'weft') : stock.controlPlane
    const made: Peer = {
      name,
      kind,
      api: url,
      proxies: `127.0.0.1:${dp}`,
      log: join(processes.folder(key), 'log'),
      workDir: join(dataDir, key),
      start: async () => {
        processes.start(key, program, { args: kind === 'ours' ? ['cp', 'run'] : ['run'], env })
        await until(`API of ${key}`, async () => (await http('GET', url)).status === 200)
      },
      kill: () => processes.kill(key),
      stop: () => processes.stop(key),
      put: (path, resource) => put(url, path, resource),
      remove: async (path) => {
        const answer = await http('DELETE', `${url}${path}`)
        if (answer.status !== 200) throw new Error(`DELETE ${path}: ${answer.status} ${answer.text}`)
      },
      get: (path) => getJson(`${url}${path}`),
      items: async (path) => {
        const answer = await http('GET', `${url}${path}?size=1000`)
        // a mesh that is not there yet has no lists
        if (answer.status !== 200 && answer.status !== 404) throw new Error(`GET ${path}: ${answer.status} ${answer.text.slice(0, 200)}`)
        return answer.status === 404 ? [] : itemsOf(JSON.parse(answer.text))
      },
      find: async (path, displayName) =>
        (await made.items(path)).find((item) => (item.labels?.['kuma.io/display-name'] ?? item.name) === displayName),
    }
    return made
  }
  peers.set('global', await peer('global', 'global', plan.global))
  for (const [name, kind] of Object.entries(plan.zones)) peers.set(name, await peer(name, name, kind))
  const of = (name: string): Peer => {
    const found = peers.get(name)
    if (!found) throw new Error(`no control plane ${name}`)
    return found
  }
  const made: Federation = {
    processes,
    global: of('global'),
    kdsPort,
    zone: of,
    twin: (name, kind) => peer(`${name}-twin`, name, kind),
    subscription: async (zone) => {
      const found = (await of('global').items('/zones+insights')).find((item) => item.name === zone)
      const { subscriptions } = (found?.['zoneInsight'] ?? {}) as { readonly subscriptions?: readonly Readonly<Record<string, unknown>>[] }
      return subscriptions?.at(-1)
    },
    isOnline: async (zone) => {
      const last = await made.subscription(zone)
      return last?.['connectTime'] !== undefined && last['disconnectTime'] === undefined
    },
    [Symbol.asyncDispose]: async () => {
      await processes.stopAll()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
  return made
}

/** Starts global and then all zones at once; resolves when global shows each online. */
export async function up(made: Federation, zones: readonly string[]): Promise<void> {
  await made.global.start()
  await Promise.all(zones.map((zone) => made.zone(zone).start()))
  for (const zone of zones) await until(`${zone} online`, () => made.isOnline(zone))
}

function itemsOf(answer: unknown): readonly Shown[] {
  const items = typeof answer === 'object' && answer !== null && 'items' in answer ? answer.items : undefined
  // both control planes answer lists of resources
  return Array.isArray(items) ? (items as Shown[]) : []
}
