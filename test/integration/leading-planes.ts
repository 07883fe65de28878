// Two global and two zone control planes, each pair on one PostgreSQL database that writes down which of them wrote what, and who led when it did:
// every process has a user of its own there.
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProcesses, type Processes } from '../../apps/demo/src/processes.ts'
import { getJson, http, until, zoneToken } from '../../apps/demo/src/rest.ts'
import { migrateUp } from '../../packages/store/src/postgres/migrate.ts'
import { type PostgresServer, startPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { root } from '../../tools/run-command.ts'
import { isObject } from '../chaos/canonical.ts'
import { shiftedClock } from '../chaos/shifted-clock.ts'
import { freePorts } from '../e2e/zone.ts'
import { basicSettings, type Role, zone } from './control-planes.ts'

export type ReplicaName = `${Role}-${'a' | 'b'}`

export const replicaNames: readonly ReplicaName[] = ['global-a', 'global-b', 'zone-a', 'zone-b']

/** Among the ports of a control plane, after those that each opens: where zones connect to a global. */
const kdsPort = 6

/** A change of the leader. */
export interface LedWrite {
  readonly seq: number
  /** Who wrote it. */
  readonly by: ReplicaName
  readonly actor: string
  readonly resource: string
  /** Who had the lease in the transaction that wrote it; undefined for nobody. */
  readonly leader: ReplicaName | undefined
  readonly epoch: number
}

export interface LeadingPlanes extends AsyncDisposable {
  readonly server: PostgresServer
  readonly processes: Processes
  /** Of a role, on the server. */
  database(role: Role): string
  api(name: ReplicaName): string
  /** `host:port` that proxies connect to. */
  proxies(name: ReplicaName): string
  /** Resolves when its API answers. */
  start(name: ReplicaName): Promise<void>
  signal(name: ReplicaName, signal: 'SIGSTOP' | 'SIGCONT'): void
  log(name: ReplicaName): string
  /** Whose the lease is in the database, and for how long already over or still to come. */
  lease(role: Role): Promise<{ readonly leader: ReplicaName | undefined; readonly epoch: number; readonly isOver: boolean }>
  /** Resolves with the leader of a role once there is one that is not `except`. */
  leader(role: Role, except?: ReplicaName): Promise<ReplicaName>
  /** Everything that only a leader writes, in order. */
  ledWrites(role: Role): Promise<readonly LedWrite[]>
}

/** Patience of a test for what a busy machine does some time. */
export const patienceMs = 120_000

export const otherOf = (name: ReplicaName): ReplicaName => {
  const role: Role = name.startsWith('global') ? 'global' : 'zone'
  return name.endsWith('a') ? `${role}-b` : `${role}-a`
}

/** What others write besides the leader: insights and states of the proxies they serve, what they note of themselves, and keys that any of them may make first. */
const everyones = ['generator:insights', 'generator:proxy-states', 'generator:replica-trust', 'generator:recovery', 'generator:identity']

const noteSql = `
  CREATE TABLE public.written (seq bigint, by text, epoch bigint, holder text);
  CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.written
      SELECT NEW.seq, session_user, coalesce(l.epoch, 0), coalesce(l.holder, '')
      FROM (VALUES (1)) AS one LEFT JOIN weft.leases l ON l.name = 'leader';
    RETURN NULL;
  END $$;
  CREATE TRIGGER note AFTER INSERT ON weft.log FOR EACH ROW EXECUTE FUNCTION public.note()`

export interface LeadingPlanesOptions {
  /** How long a leader may be silent. */
  readonly leaseMs: number
  /** By how much the wall clock of a replica is ahead of the database's; 0 by default. */
  readonly aheadMs?: (name: ReplicaName) => number
}

/** Databases are ready; no control plane runs yet. */
export async function leadingPlanes({ leaseMs, aheadMs = () => 0 }: LeadingPlanesOptions): Promise<LeadingPlanes> {
  const dataDir = mkdtempSync(join(tmpdir(), 'wl-'))
  // what was committed has to survive its kill
  const server = await startPostgres({ durable: true })
  const databases: Record<Role, string> = { global: 'weft_global', zone: 'weft_zone' }
  for (const name of replicaNames) await server.query('postgres', `CREATE ROLE "${name}" SUPERUSER LOGIN`)
  for (const name of Object.values(databases)) {
    await server.query('postgres', `CREATE DATABASE ${name}`)
    await migrateUp(server.settings(name))
    await server.query(name, noteSql)
  }
  const each = 7
  const ports = await freePorts(replicaNames.length * each)
  const port = (name: ReplicaName, at: number): number => ports[replicaNames.indexOf(name) * each + at] ?? 0
  const roleOf = (name: ReplicaName): Role => (name.startsWith('global') ? 'global' : 'zone')
  const failures: string[] = []
  const processes = createProcesses(dataDir, (name, code) => failures.push(`${name} ended with ${code}`))
  const api = (name: ReplicaName): string => `http://127.0.0.1:${port(name, 0)}`
  const tokenFile = join(dataDir, 'zone-token')
  // the same for all replicas, as operators are told: each verifies what the others signed
  const historyKey = randomBytes(32).toString('hex')
  /** Every instance id there was. */
  const instances = new Map<string, ReplicaName>()
  const log = (name: ReplicaName): string => readFileSync(join(processes.folder(name), 'log'), 'utf8')
  const ofRole: Record<Role, Record<string, string>> = {
    global: {},
    zone: {
      KUMA_MULTIZONE_ZONE_NAME: zone,
      KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS: `grpcs://127.0.0.1:${port('global-a', kdsPort)}`,
      KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'true',
      KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_PATH: tokenFile,
    },
  }
  const lease: LeadingPlanes['lease'] = async (role) => {
    const [row] = await server.query(databases[role], `SELECT holder, epoch, until < clock_timestamp() AS over FROM weft.leases`)
    return { leader: instances.get(String(row?.['holder'])), epoch: Number(row?.['epoch'] ?? 0), isOver: row?.['over'] !== false }
  }
  return {
    server,
    processes,
    database: (role) => databases[role],
    api,
    proxies: (name) => `127.0.0.1:${port(name, 3)}`,
    start: async (name) => {
      const role = roleOf(name)
      giveHistoryKey(join(dataDir, name), historyKey)
      processes.start(name, join(root, 'weft'), {
        args: ['cp', 'run'],
        env: {
          ...basicSettings(role, join(dataDir, name), (at) => port(name, at)),
          KUMA_INTER_CP_CATALOG_INSTANCE_ADDRESS: '127.0.0.1',
          KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT: String(port(name, kdsPort)),
          KUMA_STORE_TYPE: 'postgres',
          KUMA_STORE_POSTGRES_PORT: String(server.port),
          KUMA_STORE_POSTGRES_USER: name,
          KUMA_STORE_POSTGRES_PASSWORD: 'anything',
          KUMA_STORE_POSTGRES_DB_NAME: databases[role],
          WEFT_LEASE_DURATION: `${leaseMs}ms`,
          ...shiftedClock(aheadMs(name)),
          ...ofRole[role],
        },
      })
      await until(
        `API of ${name}`,
        async () => {
          if (failures.length > 0) throw new Error(`${failures.join('; ')}: ${log(name)}`)
          const index = await getJson(api(name))
          if (!isObject(index) || typeof index['instanceId'] !== 'string') return false
          instances.set(index['instanceId'], name)
          return true
        },
        patienceMs,
      )
      if (name === 'global-a') writeFileSync(tokenFile, await zoneToken(api(name), zone), { mode: 0o600 })
    },
    signal: (name, signal) => {
      const pid = processes.pid(name)
      if (pid === undefined) throw new Error(`${name} does not run`)
      process.kill(pid, signal)
    },
    log,
    lease,
    leader: async (role, except) => {
      let found: ReplicaName | undefined
      await until(
        `a leader of the ${role}${except ? ` other than ${except}` : ''}`,
        async () => {
          const { leader, isOver } = await lease(role)
          found = isOver || leader === except ? undefined : leader
          return found !== undefined
        },
        patienceMs,
      )
      if (!found) throw new Error('none')
      return found
    },
    ledWrites: async (role) => {
      const rows = await server.query(
        databases[role],
        `SELECT l.seq, w.by, l.actor, l.type || ' ' || l.name AS resource, w.holder, w.epoch FROM weft.log l JOIN public.written w USING (seq)
         WHERE (l.actor LIKE 'generator:%' OR ($2 AND l.actor = 'global')) AND l.actor <> ALL ($1) ORDER BY l.seq`,
        // at global, ledgers of zones are whose their streams are
        [role === 'global' ? [...everyones, 'generator:kds'] : everyones, role === 'zone'],
      )
      return rows.map((row) => ({
        seq: Number(row['seq']),
        // the user of the session
        by: String(row['by']) as ReplicaName,
        actor: String(row['actor']),
        resource: String(row['resource']),
        leader: instances.get(String(row['holder'])),
        epoch: Number(row['epoch']),
      }))
    },
    [Symbol.asyncDispose]: async () => {
      for (const name of replicaNames) {
        const pid = processes.pid(name)
        if (pid !== undefined) process.kill(pid, 'SIGCONT')
      }
      await processes.stopAll()
      await server.dispose()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Lays the key of the history where a control plane would make one of its own. */
function giveHistoryKey(workDir: string, key: string): void {
  const folder = join(workDir, 'store')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'history.key'), key, { mode: 0o600 })
}

/** The status of a response; 0 when there was none. */
export async function putDataplane(api: string, workload: string, address: string): Promise<number> {
  const inbound = [{ port: 8080, name: 'main', tags: { 'kuma.io/service': workload } }]
  const resource = {
    type: 'Dataplane',
    mesh: 'default',
    name: `${workload}-1`,
    labels: { 'kuma.io/workload': workload },
    networking: { address, inbound },
  }
  return (await http('PUT', `${api}/meshes/default/dataplanes/${workload}-1`, resource)).status
}
