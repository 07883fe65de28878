// A global and its zones as processes of their own, every connection between them and to their proxies through a link that can go bad.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProcesses } from '../../apps/demo/src/processes.ts'
import { http, until, zoneToken } from '../../apps/demo/src/rest.ts'
import { type PostgresServer, startPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { migrateUp } from '../../packages/store/src/postgres/migrate.ts'
import { root } from '../../tools/run-command.ts'
import { freePorts } from '../e2e/zone.ts'
import { faultyLink, type FaultyLink } from './faulty-link.ts'
import type { Place } from './history.ts'
import type { StoreKind } from './layout.ts'
import { shiftedClock } from './shifted-clock.ts'

export interface Plane {
  readonly place: Place
  /** Base URL of its REST API. */
  readonly api: string
  readonly store: StoreKind
  readonly isRunning: boolean
  /** Resolves when its API answers. */
  start(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP: it neither runs nor ends. */
  freeze(): void
  /** SIGCONT. */
  thaw(): void
  /** Its wall clock is off by this much from now on, until it is started again. */
  shiftClock(ms: number): void
  readonly log: string
  /** Of its process; undefined while it does not run. */
  readonly pid: number | undefined
  /** Port of its metrics. */
  readonly diagnostics: number
  readonly workFolder: string
  /** Takes another work folder from the next start on. */
  useFolder(folder: string): void
}

export interface ChaosFederation extends AsyncDisposable {
  readonly zones: readonly Place[]
  readonly places: readonly Place[]
  plane(place: Place): Plane
  /** From a zone to global. */
  link(zone: Place): FaultyLink
  /** From the proxies of a zone to it. */
  proxyLink(zone: Place): FaultyLink
  /** Every link. */
  readonly links: readonly FaultyLink[]
  /** Where scripted peers reach global, past all links. */
  readonly kdsPort: number
  dataplanePort(zone: Place): number
  /** What admits a zone to global. */
  token(zone: Place): Promise<string>
  /** A folder for whoever needs one, gone with the federation. */
  folder(name: string): string
  /** The server of those whose store is PostgreSQL. */
  readonly database: PostgresServer | undefined
  /** The database of a place on that server. */
  databaseName(place: Place): string
  /** Ends that nobody asked for. */
  readonly crashes: readonly string[]
}

export interface ChaosFederationOptions {
  readonly zones: readonly { readonly name: Place; readonly store: StoreKind }[]
  /** Of global; embedded by default. */
  readonly store?: StoreKind
  /** More settings of a control plane, asked for at every start. */
  readonly env?: (place: Place, folder: string) => Readonly<Record<string, string>>
  /** Leaves work folders and logs. */
  readonly keep?: boolean
}

const portsOfPlane = 7
/** Patience with the start of a control plane on a busy machine. */
const startMs = 120_000

/** Chooses ports and opens the links; no control plane runs yet. */
export async function chaosFederation(options: ChaosFederationOptions): Promise<ChaosFederation> {
  const dataDir = mkdtempSync(join(tmpdir(), 'wc-'))
  const zones = options.zones.map(({ name }) => name)
  const places = ['global', ...zones]
  const storeOf = (place: Place): StoreKind =>
    (place === 'global' ? options.store : options.zones.find(({ name }) => name === place)?.store) ?? 'embedded'
  // its port is in use before others are looked for
  const database = await databasesFor(places.filter((place) => storeOf(place) === 'postgres'))
  const ports = await freePorts(places.length * portsOfPlane)
  const port = (place: Place, at: number): number => ports[places.indexOf(place) * portsOfPlane + at] ?? 0
  const kdsPort = port('global', 6)
  const links = new Map<Place, FaultyLink>()
  const proxyLinks = new Map<Place, FaultyLink>()
  for (const zone of zones) {
    links.set(zone, await faultyLink(kdsPort))
    proxyLinks.set(zone, await faultyLink(port(zone, 3)))
  }
  const crashes: string[] = []
  const processes = createProcesses(dataDir, (name, code) => crashes.push(`${name} ended by itself with ${code}`))
  const workFolders = new Map(places.map((place) => [place, join(dataDir, place, 'work')]))
  const workFolder = (place: Place): string => workFolders.get(place) ?? ''
  const tokenFile = (zone: Place): string => join(dataDir, `token-${zone}`)
  const own = (place: Place): Record<string, string> =>
    place === 'global'
      ? { KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT: String(kdsPort) }
      : {
          KUMA_MULTIZONE_ZONE_NAME: place,
          KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: `grpcs://127.0.0.1:${links.get(place)?.port ?? 0}`,
          KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'true',
          KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_PATH: tokenFile(place),
        }
  const planes = new Map<Place, Plane>()
  for (const place of places) {
    const api = `http://127.0.0.1:${port(place, 0)}`
    const store = storeOf(place)
    const clockFile = join(dataDir, `clock-${place}`)
    const signal = (kind: NodeJS.Signals): void => {
      const pid = processes.pid(place)
      if (pid !== undefined) process.kill(-pid, kind)
    }
    planes.set(place, {
      place,
      api,
      store,
      get pid() {
        return processes.pid(place)
      },
      diagnostics: port(place, 2),
      get isRunning() {
        return processes.pid(place) !== undefined
      },
      log: join(processes.folder(place), 'log'),
      start: async () => {
        processes.start(place, join(root, 'weft'), {
          args: ['cp', 'run'],
          env: {
            KUMA_MODE: place === 'global' ? 'global' : 'zone',
            KUMA_ENVIRONMENT: 'universal',
            KUMA_STORE_TYPE: store,
            KUMA_GENERAL_WORK_DIR: workFolder(place),
            KUMA_API_SERVER_HTTP_PORT: String(port(place, 0)),
            KUMA_API_SERVER_HTTPS_PORT: String(port(place, 1)),
            KUMA_DIAGNOSTICS_SERVER_PORT: String(port(place, 2)),
            KUMA_DP_SERVER_PORT: String(port(place, 3)),
            KUMA_INTER_CP_SERVER_PORT: String(port(place, 4)),
            KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: String(port(place, 5)),
            ...shiftedClock(0, clockFile),
            ...(database && store === 'postgres' ? postgresEnv(database, place) : {}),
            ...own(place),
            ...options.env?.(place, dataDir),
          },
        })
        await until(
          `API of ${place}`,
          async () => {
            if (crashes.length > 0) throw new Error(crashes.join('; '))
            return (await http('GET', api)).status === 200
          },
          startMs,
        )
        if (place !== 'global') return
        // made once, by the global they belong to
        for (const zone of zones)
          if (!existsSync(tokenFile(zone))) writeFileSync(tokenFile(zone), await zoneToken(api, zone), { mode: 0o600 })
      },
      kill: () => processes.kill(place),
      freeze: () => signal('SIGSTOP'),
      thaw: () => signal('SIGCONT'),
      shiftClock: (ms) => {
        writeFileSync(clockFile, String(ms))
        signal('SIGUSR2')
      },
      get workFolder() {
        return workFolder(place)
      },
      useFolder: (folder) => void workFolders.set(place, folder),
    })
  }
  const find = <T>(map: ReadonlyMap<Place, T>, place: Place): T => {
    const found = map.get(place)
    if (found === undefined) throw new Error(`no such place: ${place}`)
    return found
  }
  return {
    zones,
    places,
    kdsPort,
    crashes,
    database,
    databaseName,
    links: [...links.values(), ...proxyLinks.values()],
    plane: (place) => find(planes, place),
    link: (zone) => find(links, zone),
    proxyLink: (zone) => find(proxyLinks, zone),
    token: (zone) => zoneToken(find(planes, 'global').api, zone),
    dataplanePort: (zone) => port(zone, 3),
    folder: (name) => join(dataDir, name),
    [Symbol.asyncDispose]: async () => {
      for (const plane of planes.values()) plane.thaw()
      for (const link of [...links.values(), ...proxyLinks.values()]) link.heal()
      await processes.stopAll()
      await Promise.all([...links.values(), ...proxyLinks.values()].map((link) => link[Symbol.asyncDispose]()))
      await database?.dispose()
      if (!options.keep) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

const databaseName = (place: Place): string => `weft_${place}`

/** A server with an empty, migrated database for each place; it does not forget what it acknowledged. */
async function databasesFor(places: readonly Place[]): Promise<PostgresServer | undefined> {
  if (places.length === 0) return undefined
  const server = await startPostgres({ durable: true })
  for (const place of places) {
    await server.query('postgres', `CREATE DATABASE ${databaseName(place)}`)
    await migrateUp(server.settings(databaseName(place)))
  }
  return server
}

/** How a control plane reaches its database. */
function postgresEnv(server: PostgresServer, place: Place): Record<string, string> {
  const { host, port, user, password, database } = server.settings(databaseName(place))
  return {
    KUMA_STORE_POSTGRES_HOST: host,
    KUMA_STORE_POSTGRES_PORT: String(port),
    KUMA_STORE_POSTGRES_USER: user,
    KUMA_STORE_POSTGRES_PASSWORD: password,
    KUMA_STORE_POSTGRES_DB_NAME: database,
  }
}
