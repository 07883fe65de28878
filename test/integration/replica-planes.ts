// Several global and several zone control planes as processes of their own, each role on one PostgreSQL database, on loopback.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { createProcesses } from '../../apps/demo/src/processes.ts'
import { getJson, http, until, zoneToken } from '../../apps/demo/src/rest.ts'
import { root } from '../../tools/run-command.ts'
import { freePorts } from '../e2e/zone.ts'
import { runWeft } from '../run-weft.ts'
import { type Balancer, createBalancer } from './balancer.ts'
import { basicSettings, type Role, zone } from './control-planes.ts'

export type ReplicaName = `${Role}-${1 | 2}`

export interface ReplicaPlanes extends AsyncDisposable {
  /** Base URL of a REST API. */
  api(name: ReplicaName): string
  /** Where proxies reach a zone replica, or zones a global one. */
  port(name: ReplicaName): number
  /** What zones dial: either global replica, the first one that is there. */
  readonly globals: Balancer
  /** Starts it; its API answers when this resolves. */
  start(name: ReplicaName): Promise<void>
  /** SIGKILL. */
  kill(name: ReplicaName): Promise<void>
  get(name: ReplicaName, path: string): Promise<unknown>
  log(name: ReplicaName): string
  /** Resolves with the one of these that leads, as they say: a busy machine may have let a lease pass from one to the other before. */
  leader(among: readonly ReplicaName[]): Promise<ReplicaName>
  /** The value of a metric with exactly these labels; undefined when it has not been set. */
  metric(name: ReplicaName, metric: string, labels?: string): Promise<number | undefined>
  /** The instance id that it goes by. */
  instanceId(name: ReplicaName): Promise<string>
}

const roleOf = (name: ReplicaName): Role => (name.startsWith('global') ? 'global' : 'zone')

/** Among the ports of a control plane, after those that each opens: where zones connect to a global. */
const kdsPort = 6

export interface ReplicaPlanesOptions {
  /** The zone has no global. */
  readonly standalone?: boolean
  /** The second global has a database of its own: it is no replica but another federation. */
  readonly otherGlobal?: boolean
  readonly env?: Readonly<Record<string, string>>
}

/** Databases are ready; nothing else runs yet. */
export async function replicaPlanes(options: ReplicaPlanesOptions = {}): Promise<ReplicaPlanes> {
  const dataDir = mkdtempSync(join(tmpdir(), 'wr-'))
  const server = await startPostgres()
  const names: readonly ReplicaName[] = ['global-1', 'global-2', 'zone-1', 'zone-2']
  const each = 7
  const ports = await freePorts(names.length * each)
  const portOf = (name: ReplicaName, at: number): number => ports[names.indexOf(name) * each + at] ?? 0
  const failures: string[] = []
  const processes = createProcesses(dataDir, (name, code) => failures.push(`${name} ended with ${code}`))
  const [ofGlobal, ofZone] = [await server.createDatabase(), await server.createDatabase()]
  const databases: Record<ReplicaName, string> = {
    'global-1': ofGlobal,
    'global-2': options.otherGlobal ? await server.createDatabase() : ofGlobal,
    'zone-1': ofZone,
    'zone-2': ofZone,
  }
  const globals = await createBalancer([portOf('global-1', kdsPort), portOf('global-2', kdsPort)])
  const tokenFile = join(dataDir, 'zone-token')
  const storeIn = (database: string): Record<string, string> => ({
    KUMA_STORE_TYPE: 'postgres',
    KUMA_STORE_POSTGRES_PORT: String(server.port),
    KUMA_STORE_POSTGRES_USER: 'weft',
    KUMA_STORE_POSTGRES_PASSWORD: 'anything',
    KUMA_STORE_POSTGRES_DB_NAME: database,
  })
  for (const database of new Set(Object.values(databases))) {
    const migrated = await runWeft(['migrate', 'up'], storeIn(database))
    if (migrated.code !== 0) throw new Error(migrated.err)
  }
  const federated = {
    KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: `grpcs://${globals.address}`,
    KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'true',
    KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_PATH: tokenFile,
  }
  const ofRole: Record<Role, Record<string, string>> = {
    global: {},
    zone: { KUMA_MULTIZONE_ZONE_NAME: zone, ...(options.standalone ? {} : federated) },
  }
  const api = (name: ReplicaName): string => `http://127.0.0.1:${portOf(name, 0)}`
  const log = (name: ReplicaName): string => readFileSync(join(processes.folder(name), 'log'), 'utf8')
  const leads = (name: ReplicaName): boolean => {
    const text = log(name)
    return text.lastIndexOf('lease is ours') > Math.max(text.lastIndexOf('lease lost'), text.lastIndexOf('lease given back'))
  }
  return {
    api,
    port: (name) => portOf(name, roleOf(name) === 'global' ? kdsPort : 3),
    globals,
    start: async (name) => {
      const role = roleOf(name)
      processes.start(name, join(root, 'weft'), {
        args: ['cp', 'run'],
        env: {
          ...basicSettings(role, join(dataDir, name), (at) => portOf(name, at)),
          KUMA_INTER_CP_CATALOG_INSTANCE_ADDRESS: '127.0.0.1',
          KUMA_INTER_CP_CATALOG_HEARTBEAT_INTERVAL: '1s',
          KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT: String(portOf(name, kdsPort)),
          ...storeIn(databases[name]),
          ...ofRole[role],
          ...options.env,
        },
      })
      await until(
        `API of ${name}`,
        async () => {
          if (failures.length > 0) throw new Error(`${failures.join('; ')}: ${readFileSync(join(processes.folder(name), 'log'), 'utf8')}`)
          return (await http('GET', api(name))).status === 200
        },
        120_000,
      )
      if (role === 'global') writeFileSync(tokenFile, await zoneToken(api(name), zone), { mode: 0o600 })
    },
    kill: (name) => processes.kill(name),
    get: (name, path) => getJson(`${api(name)}${path}`),
    log,
    leader: async (among) => {
      let found: readonly ReplicaName[] = []
      await until(`one of ${among.join(' and ')} leads`, async () => (found = among.filter(leads)).length === 1)
      return found[0] ?? among[0] ?? 'zone-1'
    },
    metric: async (name, metric, labels = '') => {
      const { text } = await http('GET', `http://127.0.0.1:${portOf(name, 2)}/metrics`)
      const start = `${metric}${labels === '' ? '' : `{${labels}}`} `
      const line = text.split('\n').find((each) => each.startsWith(start))
      return line === undefined ? undefined : Number(line.slice(start.length))
    },
    instanceId: async (name) => {
      const found = await getJson(api(name))
      // the index names its instance
      return String((found as { readonly instanceId?: unknown } | undefined)?.instanceId ?? '')
    },
    [Symbol.asyncDispose]: async () => {
      await processes.stopAll()
      await globals[Symbol.asyncDispose]()
      await server.dispose()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
