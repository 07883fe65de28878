// What is shown and decided of sync where the sessions are with other replicas: at global each replica has those of some zones, in a zone the
// leader has the one with global.
import { warnOfAnswer, withWarnings } from '@weft/api'
import { isObject } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import type { KdsServer, ReachabilityEntry, SyncRefusal, ZoneSync } from '@weft/kds'
import type { Lease, Replicas } from '@weft/replicas'
import { readMessage, viewsOfOthers, writeMessage } from './replica-messages.ts'

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
  const others = {
    replicas,
    topic,
    // the view of another replica of this program
    read: (answer: unknown) => (isObject(answer) ? (answer as unknown as GlobalView) : undefined),
    log: log.child({ component: 'replicas' }),
    silence: 'a replica does not say how sync with its zones is',
  }
  const views = async (): Promise<readonly GlobalView[]> => [here(), ...(await viewsOfOthers(others))]
  replicas.serve(topic, async () => writeMessage(here()))
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
  { replicas, lease }: { readonly replicas: Pick<Replicas, 'ask' | 'self' | 'serve'>; readonly lease: Pick<Lease, 'term' | 'holder'> },
  topic: string,
  local: (question: Q) => Promise<A>,
): (question: Q) => Promise<A> {
  // what the other end of this very function wrote
  replicas.serve(topic, async (body) =>
    writeMessage(await withWarnings(() => local((readMessage(body) as { readonly question: Q }).question))),
  )
  return async (question) => {
    const { holder } = lease
    if (lease.term !== undefined || holder === undefined || holder === replicas.self.instanceId) return local(question)
    const bytes = await replicas.ask(holder, { topic, body: writeMessage({ question }), limitMs: workLimitMs })
    // as above; a replica of an earlier release says no warnings
    const { answer, warnings = [] } = readMessage(bytes) as { readonly answer: A; readonly warnings?: readonly string[] }
    for (const warning of warnings) warnOfAnswer(warning)
    return answer
  }
}
