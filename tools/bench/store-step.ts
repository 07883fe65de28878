// What the durable stores do with 10,000 dataplanes and their insights: opening, writing, and how soon another instance knows.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../packages/foundation/src/log/index.ts'
import { systemClock } from '../../packages/foundation/src/time/index.ts'
import {
  type DurableStore,
  loadHistoryKey,
  migrateUp,
  openEmbeddedStore,
  openPostgresStore,
  type Store,
} from '../../packages/store/src/index.ts'
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
const ways: readonly { readonly p50: FigureId; readonly p99: FigureId; readonly open: (scene: Scene) => Promise<DurableStore> }[] = [
  { p50: 'store.notifyP50', p99: 'store.notifyP99', open: ({ open }) => open() },
]

interface Scene {
  readonly bench: BenchServer
  open(): Promise<DurableStore>
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
      await measurePostgres(context, { bench, open: () => openPostgresStore({ settings, clock: systemClock, log: silentLogger, key }) })
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
    for (const way of ways) await measureWay(context, one, await way.open(scene), way)
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

async function measureWay(
  context: RunContext,
  one: Store,
  two: DurableStore,
  { p50, p99 }: { readonly p50: FigureId; readonly p99: FigureId },
): Promise<void> {
  const times: number[] = []
  for (let n = 1; n <= 200; n += 1) {
    const before = performance.now()
    await Promise.all([changeAt(two), one.transact([storedPolicy(n)], desired)])
    times.push(performance.now() - before)
  }
  await two.close()
  const seen = percentiles(times)
  context.put(p50, seen.p50)
  context.put(p99, seen.p99)
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
