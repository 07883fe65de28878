// Changes of policies that Envoys refused, as any replica of a zone shows them: a proxy's are known by the replica that serves it.
import type { ApiServerDeps } from '@weft/api'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import { nameKey } from '@weft/resources'
import type { Replicas } from '@weft/replicas'
import type { ProxyPipeline } from './proxy-pipeline.ts'
import { proxyHolding } from './replica-questions.ts'

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
const limitMs = 5_000

/** What a proxy without a stream refused last is known by who served it, so that its own replicas are asked for all. */
export function rejectionsOfReplicas(needs: RejectionsNeeds): Rejections {
  const { replicas, log } = needs
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
  const there = async (instanceId: string): Promise<View> => {
    try {
      const answer: unknown = parse(await replicas.ask(instanceId, { topic: topics.all, body: new Uint8Array(), limitMs }))
      // the view of another replica of this program
      return Array.isArray(answer) ? (answer as View) : []
    } catch (error) {
      log.warn({ component: 'replicas', replica: instanceId, err: messageOf(error) }, 'a replica does not say what its proxies refuse')
      return []
    }
  }
  const all = async (): Promise<ReadonlyMap<string, Rejected>> => {
    const { self, presence } = replicas
    // in one order, so that whichever replica is asked takes the same
    const ids = [self, ...presence.members()].map(({ instanceId }) => instanceId).toSorted()
    const views = await Promise.all(ids.map(async (id) => (id === self.instanceId ? view() : there(id))))
    return new Map(views.flat())
  }
  replicas.serve(topics.one, async (body) => {
    const question = parse(body)
    const key = isObject(question) ? String(question['proxy']) : ''
    if (!needs.isHere(key)) throw new AppError('replicas/no-holder', `this replica has no stream for ${key} either`)
    return write(here(key))
  })
  replicas.serve(topics.all, async () => write(view()))
  return {
    all,
    of: async (dataplane) => {
      const key = nameKey(dataplane)
      if (needs.isHere(key)) return here(key)
      try {
        const answer: unknown = parse(
          await replicas.askHolder(proxyHolding(dataplane), { topic: topics.one, body: write({ proxy: key }), limitMs }),
        )
        // what `here` of the other replica gave
        return Array.isArray(answer) ? (answer as Rejected) : []
      } catch (error) {
        if (!hasCode(error, 'replicas/no-holder') && !hasCode(error, 'replicas/unreachable')) throw error
        return (await all()).get(key) ?? []
      }
    },
  }
}

type View = readonly (readonly [string, Rejected])[]

function write(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
}
