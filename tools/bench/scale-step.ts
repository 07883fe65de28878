// Control planes on PostgreSQL: a zone that starts with 10,000 dataplanes, its REST API, and how much a federation asks of its database.
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { http, put } from '../../apps/demo/src/rest.ts'
import { dataplane } from '../../apps/demo/src/resources.ts'
import { silentLogger } from '../../packages/foundation/src/log/index.ts'
import { systemClock } from '../../packages/foundation/src/time/index.ts'
import { loadHistoryKey, openEmbeddedStore } from '../../packages/store/src/index.ts'
import { openPostgresStore } from '../../packages/store/src/postgres/index.ts'
import { createFederation, type Federation } from './federation.ts'
import { type BenchServer, startBenchServer } from './postgres-figures.ts'
import { connectTimeout } from './resources.ts'
import type { RunContext } from './run-context.ts'
import { fillStore, storedProxies } from './stored-resources.ts'

const zone = 'zone-1'
const smallFleet = 200
const churnPerSecond = 10
const writeMs = 5000
const pageSize = 1000

/** A large zone of ours, then global and a zone of each control plane on the same server. */
export async function measureScale(context: RunContext): Promise<void> {
  await using bench = await startBenchServer()
  if (!context.controlPlane.needsSharedTrust) {
    await context.attempt('zone of 10,000 on disk', () => measureLarge(context, bench, 'embedded'))
    await context.attempt('zone of 10,000 in PostgreSQL', () => measureLarge(context, bench, 'postgres'))
  }
  await context.attempt('statements', () => measureStatements(context, bench))
}

/** A federation whose control planes have databases of their own on the server, or files. */
async function federationOn(context: RunContext, bench: BenchServer, store: 'postgres' | 'embedded'): Promise<Federation> {
  const { session, options, controlPlane } = context
  const name = `s${session.federations++}`
  const { host, port, user, password } = bench.server.settings('')
  const database: Record<string, string> = {
    KUMA_STORE_TYPE: 'postgres',
    KUMA_STORE_POSTGRES_HOST: host,
    KUMA_STORE_POSTGRES_PORT: String(port),
    KUMA_STORE_POSTGRES_USER: user,
    KUMA_STORE_POSTGRES_PASSWORD: password,
  }
  const env = store === 'embedded' ? { KUMA_STORE_TYPE: 'embedded' } : { ...database, KUMA_STORE_POSTGRES_DB_NAME: `${name}_{name}` }
  if (store === 'postgres') {
    for (const role of ['global', 'zone_1']) {
      await bench.createDatabase(`${name}_${role}`)
      await promisify(execFile)(controlPlane.program, [...controlPlane.args, 'migrate', 'up'], {
        env: { ...process.env, ...database, KUMA_STORE_POSTGRES_DB_NAME: `${name}_${role}` },
      })
    }
  }
  return createFederation({
    name,
    controlPlane,
    zones: [zone],
    store: 'default',
    env: { ...options.env, ...env },
    base: options.base,
    processes: session.processes,
    ended: session.ended,
  })
}

/** The zone alone: its start waits for no peer. */
async function measureLarge(context: RunContext, bench: BenchServer, store: 'postgres' | 'embedded'): Promise<void> {
  const federation = await federationOn(context, bench, store)
  const name = `s${context.session.federations - 1}`
  const dir = join(context.session.processes.folder(`${name}-${zone}`), 'store')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const deps = { clock: systemClock, log: silentLogger }
  const filled =
    store === 'embedded'
      ? await openEmbeddedStore({ ...deps, dir })
      : await openPostgresStore({
          ...deps,
          settings: bench.server.settings(`${name}_zone_1`),
          key: loadHistoryKey(join(dir, 'history.key')),
        })
  await fillStore(filled)
  await filled.close()
  try {
    // the first start makes keys, services and addresses of all these; the ones that count find them
    federation.start(zone)
    await ready(federation)
    await context.sleep(context.options.settleSeconds * 1000)
    await federation.kill(zone)
    federation.start(zone)
    context.put(store === 'embedded' ? 'scale.startOnDisk' : 'scale.start', await ready(federation))
    if (store === 'embedded') return
    await context.sleep(context.options.settleSeconds * 1000)
    await measureLists(context, federation)
    await measureWrites(context, federation)
  } finally {
    await federation.stop()
  }
}

function ready(federation: Federation): Promise<number> {
  const url = federation.metrics(zone).replace(/\/metrics$/, '/ready')
  return federation.until('the zone ready', async () => (await http('GET', url)).status === 200)
}

async function measureLists(context: RunContext, federation: Federation): Promise<void> {
  const times: number[] = []
  for (let pass = 0; pass < 5; pass++) {
    for (let offset = 0; offset < storedProxies; offset += pageSize) {
      const before = performance.now()
      const answer = await http('GET', `${federation.api(zone)}/meshes/default/dataplanes?size=${pageSize}&offset=${offset}`)
      if (answer.status !== 200) throw new Error(`a page of dataplanes: ${answer.status}`)
      times.push(performance.now() - before)
    }
  }
  context.put('scale.pageP95', times.toSorted((a, b) => a - b)[Math.ceil(0.95 * times.length) - 1])
}

async function measureWrites(context: RunContext, federation: Federation): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const until = performance.now() + writeMs
  let written = 0
  const work = async (worker: number): Promise<void> => {
    for (let n = 1; performance.now() < until; n += 1) {
      const url = `${federation.api(zone)}/meshes/default/meshtimeouts/p-${worker}`
      const status = await putKept(agent, url, {
        type: 'MeshTimeout',
        mesh: 'default',
        name: `p-${worker}`,
        labels: { 'kuma.io/origin': 'zone' },
        // of nobody's proxies: what a policy costs proxies is measured elsewhere
        spec: {
          targetRef: { kind: 'Dataplane', labels: { app: 'nobody' } },
          to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${n}s` } }],
        },
      })
      if (status !== 200 && status !== 201) throw new Error(`PUT ${url}: ${status}`)
      written += 1
    }
  }
  await Promise.all(Array.from({ length: 16 }, (_, worker) => work(worker)))
  agent.destroy()
  context.put('scale.writes', (written * 1000) / writeMs)
}

/** Idle and under churn: statements a second in the databases of global and zone together. */
async function measureStatements(context: RunContext, bench: BenchServer): Promise<void> {
  const federation = await federationOn(context, bench, 'postgres')
  const name = `s${context.session.federations - 1}`
  const databases = [`${name}_global`, `${name}_zone_1`]
  try {
    federation.start('global')
    await federation.answers('global')
    federation.start(zone)
    await federation.answers(zone)
    await federation.online(1)
    await federation.writeMesh()
    await federation.writeZone(zone, federation.ownPort(0))
    for (let n = 0; n < smallFleet; n++) {
      const inbound = { port: 8080, name: 'main', protocol: 'http' }
      const resource = dataplane(`backend-${n}`, `backend-${n % 20}`, { address: `10.0.0.${n + 1}`, inbound: [inbound] })
      await put(federation.api(zone), `/meshes/default/dataplanes/backend-${n}`, resource)
    }
    await context.sleep(context.options.settleSeconds * 1000)
    const idle = await bench.during(databases, () => context.sleep(context.options.idleSeconds * 1000))
    for (const each of idle.most) context.progress(`idle: ${each}`)
    context.put('scale.idleStatements', idle.statements)
    context.put('scale.idleCpu', idle.cpuPercent)
    const churn = await bench.during(databases, async () => {
      const begin = performance.now()
      for (let n = 0; n < context.options.idleSeconds * churnPerSecond; n++) {
        await federation.put('global', connectTimeout(3000 + n))
        await context.sleep(Math.max(0, begin + ((n + 1) * 1000) / churnPerSecond - performance.now()))
      }
    })
    for (const each of churn.most) context.progress(`10 edits a second: ${each}`)
    context.put('scale.churnStatements', churn.statements)
    context.put('scale.churnCpu', churn.cpuPercent)
  } finally {
    await federation.stop()
  }
}

function putKept(agent: Agent, url: string, body: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'PUT', agent, headers: { 'content-type': 'application/json' } }, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}
