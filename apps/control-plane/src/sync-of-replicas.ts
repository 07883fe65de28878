// What is shown and decided of sync where the sessions are with other replicas: at global each replica has those of some zones, in a zone the
// leader has the one with global.
import { messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import type { KdsServer, ReachabilityEntry, SyncRefusal, ZoneSync } from '@weft/kds'
import type { Lease, Replicas } from '@weft/replicas'

/** How long a replica may take to say what it sees. */
const viewLimitMs = 5_000
/** How long it may take to do what an operator decided. */
const workLimitMs = 30_000

interface GlobalView {
  readonly zones: readonly ZoneSync[]
  readonly refusals: readonly SyncRefusal[]
  readonly rows: readonly (readonly [string, readonly ReachabilityEntry[]])[]
}

export interface GlobalSyncOfReplicas {
  zones(): Promise<readonly ZoneSync[]>
  refusals(): Promise<readonly SyncRefusal[]>
  reachability(): Promise<ReadonlyMap<string, readonly ReachabilityEntry[]>>
}

/** What this replica sees of its zones, and of all others what their replicas say. A replica that does not answer is left out. */
export function globalSyncOfReplicas(
  replicas: Replicas,
  server: Pick<KdsServer, 'status' | 'refusals' | 'reachability'>,
  log: Logger,
): GlobalSyncOfReplicas {
  const topic = 'sync/global-view'
  const here = (): GlobalView => ({
    zones: server.status(),
    refusals: server.refusals(),
    rows: [...server.reachability()],
  })
  const there = async (instanceId: string): Promise<GlobalView> => {
    try {
      const answer = parse(await replicas.ask(instanceId, { topic, body: new Uint8Array(), limitMs: viewLimitMs }))
      // the view of another replica of this program
      if (isObject(answer)) return answer as unknown as GlobalView
    } catch (error) {
      log.warn({ component: 'replicas', replica: instanceId, err: messageOf(error) }, 'a replica does not say how sync with its zones is')
    }
    return { zones: [], refusals: [], rows: [] }
  }
  const views = async (): Promise<readonly GlobalView[]> => [
    here(),
    ...(await Promise.all(replicas.presence.members().map(({ instanceId }) => there(instanceId)))),
  ]
  replicas.serve(topic, async () => write(here()))
  return {
    zones: async () => {
      const [own, ...others] = await views()
      const held = new Map(others.flatMap(({ zones }) => zones.flatMap((each) => (each.session ? [[each.zone, each] as const] : []))))
      return (own?.zones ?? []).map((each) => (each.session ? each : (held.get(each.zone) ?? each)))
    },
    refusals: async () => {
      const all = (await views()).flatMap(({ refusals }) => refusals)
      return [...new Map(all.map((each) => [JSON.stringify([each.peer, each.refused, each.type, each.mesh, each.name]), each])).values()]
    },
    reachability: async () => new Map((await views()).toReversed().flatMap(({ rows }) => rows)),
  }
}

/** The leader does or says it, whichever replica is asked; this one when nobody is known to lead. Questions and answers are JSON. */
export function byLeader<Q, A>(
  { replicas, lease }: { readonly replicas: Replicas; readonly lease: Pick<Lease, 'term' | 'holder'> },
  topic: string,
  local: (question: Q) => Promise<A>,
): (question: Q) => Promise<A> {
  // what the other end of this very function wrote
  replicas.serve(topic, async (body) => write({ answer: await local((parse(body) as { readonly question: Q }).question) }))
  return async (question) => {
    const { holder } = lease
    if (lease.term !== undefined || holder === undefined || holder === replicas.self.instanceId) return local(question)
    const answer = await replicas.ask(holder, { topic, body: write({ question }), limitMs: workLimitMs })
    // as above
    return (parse(answer) as { readonly answer: A }).answer
  }
}

function write(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
}
