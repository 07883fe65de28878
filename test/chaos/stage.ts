// A federation under chaos: control planes, proxies, writers and observers, and the judgement of all invariants once it is quiet again.
import { identity, permission, zoneAddress } from '../../apps/demo/src/resources.ts'
import { dataplaneToken, getJson, http, until } from '../../apps/demo/src/rest.ts'
import { type ProxyGroup, proxyGroup, services } from '../integration/watched-proxy.ts'
import { authorLabel, isObject, travels } from './canonical.ts'
import { type ChaosFederation, chaosFederation, type Plane } from './federation.ts'
import { createHistory, type History, type Place } from './history.ts'
import type { PostgresServer } from '../../packages/store/src/testing/postgres-server.ts'
import {
  type ChangeLogCopy,
  judgeAttribution,
  judgeConvergence,
  judgeDeletions,
  judgeDurability,
  judgeLog,
  judgeOrder,
  judgeSessions,
  judgeShrinking,
  type Violation,
} from './invariants.ts'
import { type LayoutName, layouts } from './layout.ts'
import { createObserver, type Observer } from './observer.ts'
import { createRandom, type Random } from './random.ts'
import { queryChangeLog, readChangeLog } from './store-log.ts'
import { createWriter, type Writer } from './writer.ts'

export interface Stage extends AsyncDisposable {
  readonly federation: ChaosFederation
  readonly history: History
  readonly random: Random
  writer(place: Place): Writer
  fleet(zone: Place): ProxyGroup
  /** Kills a control plane and starts it again after a while, with or without its state. `meanwhile` runs while it is down. */
  restart(place: Place, downMs: number, meanwhile?: () => void): Promise<void>
  /** Puts an empty control plane in the place of global for a while. */
  standIn(ms: number): Promise<void>
  /** Resolves with the ms until an edit made at global now is followed by all proxies of these zones. */
  follows(zones: readonly Place[], timeoutMs: number): Promise<number>
  /** Stops the writers, waits until all is quiet and equal, judges everything that happened since the start, and goes on. */
  judge(): Promise<readonly Violation[]>
  /** Ends every control plane at once and judges what their stores have on disk. */
  finish(): Promise<readonly Violation[]>
}

export interface StageOptions {
  readonly random: Random
  readonly keep?: boolean
  /** `files` by default. */
  readonly layout?: LayoutName
}

/** Patience with places that are quiet and differ: a proxy that was refused often comes back after up to 30 s, and a busy machine is slow. */
const convergenceMs = 120_000
/** Patience with a control plane that is started, or asked, on a busy machine. */
const answerMs = 120_000

/** Starts everything; resolves when all proxies have all they need and the writers write. */
export async function createStage({ random, keep = false, layout = 'files' }: StageOptions): Promise<Stage> {
  const { global, ...zones } = layouts[layout]
  const federation = await chaosFederation({ zones: Object.entries(zones).map(([name, store]) => ({ name, store })), store: global, keep })
  const history = createHistory()
  const fleets = new Map<Place, ProxyGroup>()
  const writers = new Map<Place, Writer>()
  const observers = new Map<Place, Observer>()
  let isWatching = false
  const planes = federation.places.map((place) => federation.plane(place))
  const api = (place: Place): string => federation.plane(place).api

  const addFleet = async (zone: Place): Promise<void> => {
    const fleet = proxyGroup(`127.0.0.1:${federation.proxyLink(zone).port}`, {
      zones: federation.zones,
      own: zone,
      onLoss: (proxy, what) => {
        if (isWatching) history.add({ kind: 'shrunk', proxy: `${proxy} of ${zone}`, what })
      },
      onResponse: (proxy, { type, resources }) => {
        if (type !== 'cluster' || proxy.startsWith('ingress')) return
        for (const [name, { connectTimeoutMs }] of resources)
          if (name.startsWith('kri_msvc_')) history.add({ kind: 'seen', by: `${proxy} of ${zone}`, key: name, value: connectTimeoutMs })
      },
    })
    fleets.set(zone, fleet)
    for (let index = 0; index < services; index++)
      fleet.add('sidecar', { index, token: await dataplaneToken(api(zone), `svc-${index}`, { timeoutMs: answerMs }) })
    fleet.add('ingress', { index: services, token: await dataplaneToken(api(zone), 'ingress', { timeoutMs: answerMs }) })
  }
  /** Proxies of a zone that do not have this value everywhere, each with its reason. */
  const behind = (zone: Place, value: number): readonly string[] =>
    (fleets.get(zone)?.all ?? []).flatMap(({ name, proxy }) => {
      if (!proxy.isConnected) return [`${name} is not connected (${proxy.streamState}: ${proxy.lastError})`]
      if (name.startsWith('ingress')) return []
      const other = [...proxy.held.cluster].find(([cluster, item]) => cluster.startsWith('kri_msvc_') && item.connectTimeoutMs !== value)
      return other ? [`${name} has ${other[1].connectTimeoutMs} for ${other[0]}`] : []
    })
  const find = <T>(map: ReadonlyMap<Place, T>, place: Place): T => {
    const found = map.get(place)
    if (found === undefined) throw new Error(`nothing at ${place}`)
    return found
  }
  const converged = async (): Promise<readonly Violation[]> => {
    for (const [place, observer] of observers)
      if (!(await observer.look())) return [{ invariant: 'convergence', text: `${place} does not answer` }]
    const holdings = [...observers].map(([place, { held }]) => ({
      place,
      digests: new Map([...held].map(([key, item]) => [key, item.digest])),
    }))
    // a write that was not acknowledged may have been carried out: what global holds counts, and whether it may hold that is judged apart
    const followed = find(observers, 'global').held.get(find(writers, 'global').followed)?.value
    if (followed === undefined) return [{ invariant: 'convergence', text: 'global lacks the policy that every proxy follows' }]
    return [
      ...judgeConvergence(holdings, travels),
      ...federation.zones.flatMap((zone) =>
        behind(zone, followed).map((text): Violation => ({ invariant: 'convergence', text: `${zone} at ${followed}: ${text}` })),
      ),
    ]
  }
  const stage: Stage = {
    federation,
    history,
    random,
    writer: (place) => find(writers, place),
    fleet: (zone) => find(fleets, zone),
    restart: async (place, downMs, meanwhile = () => {}) => {
      const plane = federation.plane(place)
      const forgets = plane.store === 'memory'
      await plane.kill()
      history.add({ kind: 'killed', place, forgets })
      // nothing can be written where no mesh is known yet
      if (forgets) await find(writers, place).pause()
      meanwhile()
      await new Promise((next) => setTimeout(next, downMs))
      await plane.start()
      if (!forgets) return
      await remember(stage, plane)
      find(writers, place).resume()
    },
    standIn: async (ms) => {
      const plane = federation.plane('global')
      await find(observers, 'global').closeEyes(true)
      await plane.kill()
      await find(writers, 'global').pause()
      const own = plane.workFolder
      plane.useFolder(federation.folder(`stand-in-${history.happenings.length}`))
      await plane.start()
      await new Promise((next) => setTimeout(next, ms))
      await plane.kill()
      plane.useFolder(own)
      await plane.start()
      await find(observers, 'global').closeEyes(false)
      find(writers, 'global').resume()
    },
    follows: async (of, timeoutMs) => {
      const value = await find(writers, 'global').edit()
      const newest = (): number => find(writers, 'global').attempted
      const hasAtLeast = (zone: Place): boolean => {
        // the writer may have gone on
        for (let each = value; each <= newest(); each++) if (behind(zone, each).length === 0) return true
        return false
      }
      return until(`proxies of ${of.join()} follow an edit at global`, async () => of.every(hasAtLeast), timeoutMs)
    },
    judge: async () => {
      await Promise.all([...writers.values()].map((writer) => writer.pause()))
      let apart = await converged()
      const giveUpAt = performance.now() + convergenceMs
      while (apart.length > 0 && performance.now() < giveUpAt) {
        await new Promise((next) => setTimeout(next, 100))
        apart = await converged()
      }
      const now = new Map(
        [...observers].map(([place, { held }]) => [place, new Map([...held].map(([key, { value }]) => [key, value] as const))] as const),
      )
      const { happenings } = history
      const violations = [
        ...apart,
        ...(await Promise.all(planes.filter(({ store }) => store !== 'memory').map(brokenChain))).flat(),
        ...judgeOrder(happenings),
        ...judgeDeletions(happenings),
        ...judgeDurability(happenings, now),
        ...judgeShrinking(happenings),
        ...judgeSessions(happenings),
        ...judgeAttribution(happenings),
        ...federation.crashes.map((text): Violation => ({ invariant: 'durability', text })),
        ...[...writers.values()].flatMap(({ refusals }) => refusals.map((text): Violation => ({ invariant: 'durability', text }))),
      ]
      for (const writer of writers.values()) writer.resume()
      return violations
    },
    finish: async () => {
      await Promise.all([...writers.values()].map((writer) => writer.pause()))
      await Promise.all([...observers.values()].map((observer) => observer.stop()))
      isWatching = false
      for (const fleet of fleets.values()) fleet.close()
      await Promise.all(planes.map((plane) => plane.kill()))
      const logs = planes
        .filter(({ store }) => store !== 'memory')
        .map(async (plane): Promise<readonly Violation[]> => {
          const log = await logOf(federation, plane)
          return log ? judgeLog(history.happenings, log) : [{ invariant: 'gap-free-log', text: `${plane.place} has no store` }]
        })
      return (await Promise.all(logs)).flat()
    },
    [Symbol.asyncDispose]: async () => {
      for (const writer of writers.values()) void writer.pause()
      for (const fleet of fleets.values()) fleet.close()
      for (const plane of planes) plane.thaw()
      await Promise.all([...observers.values()].map((observer) => observer.stop()))
      await federation[Symbol.asyncDispose]()
    },
  }
  try {
    await federation.plane('global').start()
    await Promise.all(federation.zones.map((zone) => federation.plane(zone).start()))
    await insist(api('global'), '/meshes/default', { type: 'Mesh', name: 'default', labels: { [authorLabel]: 'global' } })
    await insist(api('global'), '/meshes/default/meshidentities/identity', identity)
    await insist(api('global'), '/meshes/default/meshtrafficpermissions/callers', permission(['east', 'west']))
    for (const place of federation.places) {
      observers.set(place, createObserver(place, { api: api(place), history }))
      // randomness of their own: what they draw depends on time, and must not change the plan
      writers.set(place, createWriter(place, { api: api(place), history, random: createRandom(random.seed + observers.size) }))
    }
    await find(writers, 'global').edit()
    for (const zone of federation.zones) {
      await settled(stage, zone)
      await writeZone(stage, zone)
      await addFleet(zone)
    }
    await until(
      'all proxies complete',
      async () => [...fleets.values()].every(({ all }) => all.every(({ proxy }) => proxy.completeAt !== undefined)),
      answerMs,
    )
    await stage.follows(federation.zones, answerMs)
    // a zone that loses its memory before global knows its proxies waits for them as long as any zone does
    await until('all places agree', async () => (await converged()).length === 0, answerMs)
    isWatching = true
    for (const observer of observers.values()) observer.start()
    for (const writer of writers.values()) writer.resume()
    return stage
  } catch (error) {
    await stage[Symbol.asyncDispose]()
    throw error
  }
}

/** The server that some places of a stage keep their state on. */
export function databaseOf({ federation }: Stage): PostgresServer {
  if (!federation.database) throw new Error('nobody in this layout has a database')
  return federation.database
}

function logOf({ database, databaseName }: ChaosFederation, { place, store, workFolder }: Plane): Promise<ChangeLogCopy | undefined> {
  if (store === 'postgres' && database) return queryChangeLog(place, (statement) => database.query(databaseName(place), statement))
  return Promise.resolve(readChangeLog(place, workFolder))
}

/** What a control plane itself finds wrong with the chain of its history. No answer is no finding. */
async function brokenChain({ place, api }: Plane): Promise<readonly Violation[]> {
  let report: unknown
  await until(
    `${place} verifies its chain`,
    async () => (report = await getJson(`${api}/_weft/audit/verify`, answerMs)) !== undefined,
    answerMs,
  )
  if (isObject(report) && report['ok'] === true) return []
  return [{ invariant: 'gap-free-log', text: `${place}: its chain does not verify: ${JSON.stringify(report)}` }]
}

/** A zone has the mesh and its identity. */
async function settled({ federation }: Stage, zone: Place): Promise<void> {
  const { api } = federation.plane(zone)
  await until(
    `mesh and identity in ${zone}`,
    async () => {
      const list = await getJson(`${api}/meshes/default/meshidentities`)
      return isObject(list) && Array.isArray(list['items']) && list['items'].length > 0
    },
    answerMs,
  )
}

/** What an operator writes at a zone. */
async function writeZone({ federation }: Stage, zone: Place): Promise<void> {
  const index = federation.zones.indexOf(zone)
  // the stage's zones are the demo's
  const address = zoneAddress(zone as Parameters<typeof zoneAddress>[0], 10_001 + index)
  await insist(federation.plane(zone).api, `/meshes/default/meshzoneaddresses/${zone}-ingress`, address)
}

/** Writes a resource until it is taken: a busy control plane may not answer in time. What it refuses for good is thrown. */
async function insist(api: string, path: string, resource: object): Promise<void> {
  await until(
    `PUT ${path} at ${api}`,
    async () => {
      const { status, text } = await http('PUT', `${api}${path}`, resource)
      if (status !== 0 && status !== 503 && status >= 400) throw new Error(`PUT ${path}: ${status} ${text}`)
      return status === 200 || status === 201
    },
    answerMs,
  )
}

/**
 * What the operator of a control plane on a memory store does after it was killed. It ends when global has seen all of it: what is deleted before
 * that was never listed by this life of the zone, and what an earlier life had is held at global until someone decides.
 */
async function remember(stage: Stage, { api, place }: Plane): Promise<void> {
  await settled(stage, place)
  await writeZone(stage, place)
  await stage.writer(place).rewrite()
  const { api: globalApi } = stage.federation.plane('global')
  const path = `/meshes/default/meshtimeouts?size=1000`
  await until(
    `what ${place} made again is listed at global`,
    async () => {
      const [ours, theirs] = await Promise.all([
        getJson(`${api}${path}`),
        getJson(`${globalApi}${path}&filter[labels.kuma.io/zone]=${place}`),
      ])
      const listed = new Map(itemsOf(theirs).map((item) => [displayNameOf(item), JSON.stringify(item['spec'])]))
      const made = itemsOf(ours).filter((item) => isObject(item['labels']) && item['labels'][authorLabel] === place)
      return made.length > 0 && made.every((item) => listed.get(displayNameOf(item)) === JSON.stringify(item['spec']))
    },
    answerMs,
  )
}

function itemsOf(list: unknown): readonly Record<string, unknown>[] {
  return isObject(list) && Array.isArray(list['items']) ? list['items'].filter(isObject) : []
}

function displayNameOf({ name, labels }: Record<string, unknown>): unknown {
  return (isObject(labels) ? labels['kuma.io/display-name'] : undefined) ?? name
}
