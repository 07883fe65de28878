// How far the proxies of each replica of a zone are, told to all others when it changes: a change has arrived only when it has at the proxies of
// every replica that lives. One message at a time to each, the latest figures win, and what was not heard holds everything.
import { AppError, messageOf } from '@weft/foundation/errors'
import { field } from '@weft/foundation/json'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { Replicas } from '@weft/replicas'
import { type Delivery, type DeliveryFigures, longestFirst, undetermined, type WaitingProxy } from '@weft/xds'
import { readMessage, viewLimitMs, viewsOfOthers, writeMessage } from './replica-messages.ts'

export interface DeliveryOfReplicasNeeds {
  readonly replicas: Pick<Replicas, 'ask' | 'onDeath' | 'presence' | 'serve'>
  readonly delivery: Pick<Delivery, 'elsewhere' | 'here' | 'onProgress' | 'waiting'>
  readonly clock: Clock
  readonly log: Logger
}

/** To be started after the replicas and before proxies are served. */
export interface DeliveryOfReplicas extends Component {
  /** Proxies of all replicas that are not done, the one that is waited for longest first. A replica that does not answer is left out. */
  waiting(limit: number): Promise<readonly WaitingProxy[]>
}

const topics = { told: 'delivery/told', waiting: 'delivery/waiting' } as const
/** Between two messages to one replica: under churn positions move with every commit. */
const gapMs = 20
const retryMs = 1_000
/** Replicas that told something are remembered, so that one that was held dead need not say it again. */
const mostRemembered = 64

/** Another replica that lives. */
interface Other {
  /** What it knows of the proxies here; '' for nothing. */
  told: string
  isBusy: boolean
  pause: Timer | undefined
}

/** Tells and awaits nobody before `start`. */
export function deliveryOfReplicas({ replicas, delivery, clock, log }: DeliveryOfReplicasNeeds): DeliveryOfReplicas {
  const { presence } = replicas
  const others = new Map<string, Other>()
  const heard = new Map<string, Heard>()
  const stops: (() => void)[] = []
  let count = 0

  const send = async (id: string, figures: DeliveryFigures): Promise<boolean> => {
    try {
      // of two messages that overtake each other the later one counts
      await replicas.ask(id, { topic: topics.told, body: writeMessage({ ...figures, count: ++count }), limitMs: viewLimitMs })
      return true
    } catch (error) {
      log.debug({ replica: id, err: messageOf(error) }, 'a replica does not hear how far the proxies here are')
      return false
    }
  }
  const tell = async (id: string, other: Other): Promise<void> => {
    const figures = delivery.here
    const text = JSON.stringify(figures)
    if (other.isBusy || other.told === text) return
    other.isBusy = true
    const isHeard = await send(id, figures)
    if (isHeard) other.told = text
    if (others.get(id) !== other) return
    other.pause = clock.after(isHeard ? gapMs : retryMs, () => {
      other.isBusy = false
      void tell(id, other)
    })
  }
  const tellAll = (): void => {
    for (const [id, other] of others) void tell(id, other)
  }
  const joined = (id: string): void => {
    if (others.has(id)) return
    const other: Other = { told: '', isBusy: false, pause: undefined }
    others.set(id, other)
    delivery.elsewhere(id, heard.get(id)?.figures ?? undetermined)
    void tell(id, other)
  }
  const died = (id: string): void => {
    others.get(id)?.pause?.cancel()
    others.delete(id)
    delivery.elsewhere(id, undefined)
  }
  const hear = (id: string, { figures, count: number }: Heard): void => {
    if (number <= (heard.get(id)?.count ?? 0)) return
    heard.delete(id)
    heard.set(id, { figures, count: number })
    for (const old of heard.keys()) if (heard.size > mostRemembered && !others.has(old)) heard.delete(old)
    if (others.has(id)) delivery.elsewhere(id, figures)
  }
  replicas.serve(topics.told, async (body, from) => {
    hear(from, heardIn(readMessage(body)))
    return new Uint8Array()
  })
  replicas.serve(topics.waiting, async (body) => {
    const limit = Number(field(readMessage(body), 'limit'))
    return writeMessage(delivery.waiting(Number.isSafeInteger(limit) ? limit : 0))
  })
  const elsewhere = {
    replicas,
    topic: topics.waiting,
    // what `waiting` of the other replica gave
    read: (answer: unknown) => (Array.isArray(answer) ? (answer as readonly WaitingProxy[]) : undefined),
    log,
    silence: 'a replica does not say which proxies it waits for',
  }

  return {
    name: 'delivery-of-replicas',
    waiting: async (limit) => {
      const answers = await viewsOfOthers({ ...elsewhere, body: writeMessage({ limit }) })
      return [...delivery.waiting(limit), ...answers.flat()].sort(longestFirst).slice(0, limit)
    },
    start: async () => {
      stops.push(
        presence.onJoined(({ instanceId }) => joined(instanceId)),
        replicas.onDeath(({ instanceId }) => died(instanceId)),
        delivery.onProgress(tellAll),
      )
      for (const { instanceId } of presence.members()) joined(instanceId)
    },
    stop: async () => {
      for (const stop of stops.splice(0)) stop()
      for (const { pause } of others.values()) pause?.cancel()
      others.clear()
    },
  }
}

interface Heard {
  readonly figures: DeliveryFigures
  /** Of the messages of one replica. */
  readonly count: number
}

/** Throws replicas/failed for what no replica says. */
function heardIn(value: unknown): Heard {
  const [pushed, acked, refusing, count] = ['pushed', 'acked', 'refusing', 'count'].map((name) => numberIn(field(value, name)))
  if (pushed === undefined || acked === undefined || refusing === undefined || count === undefined || acked > pushed)
    throw new AppError('replicas/failed', 'it cannot be read how far the proxies of a replica are')
  return { figures: { pushed, acked, refusing }, count }
}

function numberIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
