// Changes of policies that Envoys refused, as any replica of a zone shows them: a proxy's are known by the replica that serves it.
import type { ApiServerDeps } from '@weft/api'
import { isObject } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import { nameKey } from '@weft/resources'
import type { Replicas } from '@weft/replicas'
import type { ProxyPipeline } from './proxy-pipeline.ts'
import { readMessage, viewLimitMs, viewOf, writeMessage } from './replica-messages.ts'
import { elsewhere, noHolder, proxyHolding } from './replica-questions.ts'

type Rejections = NonNullable<ApiServerDeps['rejections']>
type Rejected = Awaited<ReturnType<Rejections['of']>>

export interface RejectionsNeeds {
  readonly replicas: Pick<Replicas, 'ask' | 'askHolder' | 'presence' | 'self' | 'serve'>
  /** What Envoys refused of the proxies that are here, and of those that were here last. */
  readonly local: Pick<ProxyPipeline, 'rejections'>
  /** All proxies of the zone, by `mesh/name`. */
  proxies(): readonly string[]
  /** Whether this replica has the stream of a proxy. */
  isHere(proxyKey: string): boolean
  /** Whether any replica has it, as far as the store says. */
  isHeld(proxyKey: string): boolean
  readonly log: Logger
}

const topics = { one: 'proxy/rejections', all: 'proxy/all-rejections' } as const

/** What a proxy without a stream refused last is known by who served it, so that its own replicas are asked for all. */
export function rejectionsOfReplicas(needs: RejectionsNeeds): Rejections {
  const { replicas } = needs
  const log = needs.log.child({ component: 'replicas' })
  const here = (key: string): Rejected =>
    needs.local.rejections(key).map(({ policy: { type, mesh, name, labels }, instead, resources, message }) => ({
      policy: { type, mesh, name, labels },
      hasEarlier: instead !== undefined,
      resources,
      message,
    }))
  /** A stream that went to another replica leaves something here that is over. */
  const view = (): View =>
    needs.proxies().flatMap((key) => {
      const found = here(key)
      return found.length > 0 && (needs.isHere(key) || !needs.isHeld(key)) ? [[key, found] as const] : []
    })
  const others = {
    replicas,
    topic: topics.all,
    // the view of another replica of this program
    read: (answer: unknown) => (Array.isArray(answer) ? (answer as View) : undefined),
    log,
    silence: 'a replica does not say what its proxies refuse',
  }
  const all = async (): Promise<ReadonlyMap<string, Rejected>> => {
    const { self, presence } = replicas
    // in one order, so that whichever replica is asked takes the same
    const ids = [self, ...presence.members()].map(({ instanceId }) => instanceId).toSorted()
    const views = await Promise.all(ids.map(async (id) => (id === self.instanceId ? view() : viewOf(id, others))))
    return new Map(views.flatMap((found) => found ?? []))
  }
  replicas.serve(topics.one, async (body) => {
    const question = readMessage(body)
    const key = isObject(question) ? String(question['proxy']) : ''
    if (!needs.isHere(key)) throw noHolder(key)
    return writeMessage(here(key))
  })
  replicas.serve(topics.all, async () => writeMessage(view()))
  return {
    all,
    of: async (dataplane) => {
      const key = nameKey(dataplane)
      if (needs.isHere(key)) return here(key)
      const question = { topic: topics.one, body: writeMessage({ proxy: key }), limitMs: viewLimitMs }
      return elsewhere(
        async () => {
          const answer = readMessage(await replicas.askHolder(proxyHolding(dataplane), question))
          // what `here` of the other replica gave
          return Array.isArray(answer) ? (answer as Rejected) : []
        },
        async () => (await all()).get(key) ?? [],
      )
    },
  }
}

type View = readonly (readonly [string, Rejected])[]
