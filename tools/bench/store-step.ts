// What the durable stores do with 10,000 dataplanes and their insights: opening, writing, and how soon another instance knows.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../packages/foundation/src/log/index.ts'
import { systemClock } from '../../packages/foundation/src/time/index.ts'
import { type DurableStore, loadHistoryKey, openEmbeddedStore, type Store } from '../../packages/store/src/index.ts'
import { migrateUp, openPostgresStore, type PostgresStoreOptions } from '../../packages/store/src/postgres/index.ts'
import { createNatsAnnouncer, createNatsLink, type NatsAnnouncer } from '../../packages/replicas/src/nats/index.ts'
import { startNats, withoutNats } from '../../packages/replicas/src/testing/nats-server.ts'
import { createTcpRelay } from '../../packages/store/src/testing/tcp-relay.ts'
import { median, percentiles } from '../../packages/testkit/src/fleet/percentiles.ts'
import type { FigureId } from './figures.ts'
import { type BenchServer, startBenchServer } from './postgres-figures.ts'
import type { RunContext } from './run-context.ts'
import { desired, fillStore, observed, storedInsight, storedPolicy, storedProxies } from './stored-resources.ts'

const database = 'weft_store'
const measureMs = 5000
const sustainedMs = 10_000
const updatesPerSecond = 2000

/** How the instances of one database hear of each other; one line for each way. */
const ways: readonly Way[] = [
  {
    p50: 'store.notifyP50',
    p99: 'store.notifyP99',
    open: async ({ open }) => ({ stores: [await open(), await open()], close: async () => {} }),
  },
  { p50: 'store.natsP50', p99: 'store.natsP99', open: openByNats },
]

interface Way {
  readonly p50: FigureId
  readonly p99: FigureId
  /** Two instances; undefined where the way cannot be measured. */
  open(scene: Scene): Promise<Pair | undefined>
}

interface Pair {
  readonly stores: readonly [DurableStore, DurableStore]
  /** What is there beside them, once they are closed. */
  close(): Promise<void>
}

interface Scene {
  readonly context: RunContext
  readonly bench: BenchServer
  open(options?: { readonly port: number; readonly announcer: NonNullable<PostgresStoreOptions['announcer']> }): Promise<DurableStore>
}

/** Announced by NATS alone: the notifications of the database are taken out, as by a pooler that shares sessions. */
async function openByNats({ context, bench, open }: Scene): Promise<Pair | undefined> {
  const missing = withoutNats()
  if (missing !== false) {
    context.progress(`store: ${missing}`)
    return undefined
  }
  const nats = await startNats()
  const relay = await createTcpRelay(bench.server.port)
  relay.passesNotifications = false
  const parts = { clock: systemClock, log: silentLogger }
  const links = [0, 1].map(() => createNatsLink({ settings: { servers: [nats.url] }, ...parts }))
  const opened = await Promise.all(
    links.map(async (link, at) => {
      let announcer: NatsAnnouncer | undefined
      const store = await open({
        port: at === 0 ? bench.server.port : relay.port,
        announcer: (storeId) => (announcer = createNatsAnnouncer({ link, storeId, instanceId: `bench-${at}`, ...parts })),
      })
      link.start()
      return { store, isUp: () => announcer?.isUp === true }
    }),
  )
  while (!opened.every(({ isUp }) => isUp())) await context.sleep(10)
  const [one, two] = opened
  if (!one || !two) throw new Error('two were opened')
  return {
    stores: [one.store, two.store],
    close: async () => {
      await Promise.all(links.map((link) => link.stop()))
      await relay[Symbol.asyncDispose]()
      await nats[Symbol.asyncDispose]()
    },
  }
}

/** Of our own store alone: nobody else's can be opened like this. */
export async function measureStore(context: RunContext): Promise<void> {
  if (context.controlPlane.needsSharedTrust) return
  const dir = mkdtempSync(join(tmpdir(), 'wbs-'))
  try {
    await context.attempt('store on disk', () => measureFiles(context, join(dir, 'files')))
    await context.attempt('store in PostgreSQL', async () => {
      await using bench = await startBenchServer()
      await bench.createDatabase(database)
      const settings = bench.server.settings(database)
      await migrateUp(settings)
      const key = loadHistoryKey(join(dir, 'history.key'))
      const open: Scene['open'] = (options) =>
        openPostgresStore({
          settings: { ...settings, port: options?.port ?? settings.port },
          clock: systemClock,
          log: silentLogger,
          key,
          ...(options ? { announcer: options.announcer } : {}),
        })
      await measurePostgres(context, { context, bench, open })
    })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function measureFiles(context: RunContext, dir: string): Promise<void> {
  const open = () => openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
  const store = await open()
  await fillStore(store)
  context.put('store.writesOnDisk', await rate((worker, n) => store.transact([storedPolicy(n, `p-${worker}`)], desired), 16))
  await store.close()
  context.put('store.openOnDisk', await opening(open))
}

async function measurePostgres(context: RunContext, scene: Scene): Promise<void> {
  const { bench, open } = scene
  const one = await open()
  try {
    const filling = performance.now()
    await fillStore(one)
    context.progress(`store: ${2 * storedProxies} resources written in ${(performance.now() - filling).toFixed(0)} ms`)
    context.put('store.open', await opening(open))
    for (const way of ways) await measureWay(scene, way)
    context.put('store.writes', await rate((worker, n) => one.transact([storedPolicy(n, `p-${worker}`)], desired), 16))
    const two = await open()
    context.put(
      'store.writesOfTwo',
      await rate((worker, n) => (worker % 2 === 0 ? one : two).transact([storedPolicy(n, `p-${worker}`)], desired), 16),
    )
    await two.close()
    const own = process.cpuUsage()
    let sustained = 0
    const { cpuPercent } = await bench.during([database], async () => {
      sustained = await sustain(context, one)
    })
    const { user, system } = process.cpuUsage(own)
    context.put('store.insights', sustained)
    context.put('store.insightsCpu', cpuPercent)
    context.put('store.insightsOwnCpu', ((user + system) / 1e3 / sustainedMs) * 100)
  } finally {
    await one.close()
  }
}

async function measureWay(scene: Scene, { p50, p99, open }: Way): Promise<void> {
  const pair = await open(scene)
  if (!pair) return
  const [one, two] = pair.stores
  const times: number[] = []
  for (let n = 1; n <= 200; n += 1) {
    const before = performance.now()
    await Promise.all([changeAt(two), one.transact([storedPolicy(n)], desired)])
    times.push(performance.now() - before)
  }
  await Promise.all(pair.stores.map((store) => store.close()))
  await pair.close()
  const seen = percentiles(times)
  scene.context.put(p50, seen.p50)
  scene.context.put(p99, seen.p99)
}

/** Opens, and closes again, a few times; ms of the middle one. */
async function opening(open: () => Promise<DurableStore>): Promise<number | undefined> {
  const times: number[] = []
  for (let run = 0; run < 3; run += 1) {
    const before = performance.now()
    const store = await open()
    times.push(performance.now() - before)
    await store.close()
  }
  return median(times)
}

/** Calls in a row by several clients, for a while; how many a second. */
async function rate(call: (worker: number, n: number) => Promise<unknown>, workers: number): Promise<number> {
  const until = performance.now() + measureMs
  let calls = 0
  const work = async (worker: number): Promise<void> => {
    for (let n = 1; performance.now() < until; n += 1) {
      await call(worker, n)
      calls += 1
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  return (calls * 1000) / measureMs
}

/** Updates of single insights at a steady pace; how many a second were written in the end. */
async function sustain(context: RunContext, store: Store): Promise<number> {
  const tickMs = 50
  const begin = performance.now()
  const pending: Promise<unknown>[] = []
  let written = 0
  for (let tick = 0; performance.now() - begin < sustainedMs; tick += 1) {
    for (let at = 0; at < (updatesPerSecond * tickMs) / 1000; at += 1) {
      const n = pending.length
      pending.push(store.transact([storedInsight(n % storedProxies, n + 1)], observed).then(() => written++))
    }
    await context.sleep(Math.max(0, begin + (tick + 1) * tickMs - performance.now()))
  }
  await Promise.all(pending)
  return (written * 1000) / (performance.now() - begin)
}

function changeAt(store: Store): Promise<void> {
  return new Promise((resolve) => {
    const stop = store.watch(store.seq, () => {
      stop()
      resolve()
    })
  })
}
