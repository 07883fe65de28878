// Announcements of the change log by NATS. Every instance says its last number when it commits and twice a second, so that one that is lost on
// the way is made up for, and one that is not heard any more is noticed: then nobody may rely on this way alone.
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock, Timer } from '@weft/foundation/time'
import type { Announcer } from '../contract.ts'
import { afterReading } from '../answer-deadline.ts'
import type { NatsLink } from './nats-link.ts'
import { announceSubject } from './subjects.ts'

export interface NatsAnnouncerOptions {
  /** Not started yet. */
  readonly link: NatsLink
  readonly storeId: string
  readonly instanceId: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics | undefined
}

export interface NatsAnnouncer extends Announcer {
  /** Says goodbye, so that nobody waits for this instance. Before the link is stopped. */
  stop(): void
}

/** What is said. A gone instance is waited for no longer. */
interface Word {
  readonly from: string
  readonly seq: number
  readonly gone?: true
}

const beatMs = 500
const silenceMs = 1500
/** Without being told who lives, one that falls silent is waited for this long. */
const forgetMs = 60_000
const maxWordBytes = 1024
const maxPeers = 1000

export function createNatsAnnouncer(options: NatsAnnouncerOptions): NatsAnnouncer {
  const { link, storeId, instanceId, clock, log } = options
  const subject = announceSubject(storeId)
  const heard = new Set<(seq: number) => void>()
  const upListeners = new Set<(isUp: boolean) => void>()
  /** When each was heard last. */
  const peers = new Map<string, number>()
  let awaited: ReadonlyMap<string, number> | undefined
  let last = 0
  let since = 0
  let isUp = false
  let isQueued = false
  let isStopped = false
  let timer: Timer | undefined
  const count = options.metrics?.counter(
    'replicas_announcements_total',
    'Announcements of the change log, by way and what became of them.',
    ['way', 'result'],
  )
  const counted = (result: 'sent' | 'heard' | 'refused'): void => count?.inc({ way: 'nats', result })

  const say = (gone: boolean): void => {
    const word: Word = { from: instanceId, seq: last, ...(gone ? { gone } : {}) }
    if (link.publish(subject, Buffer.from(JSON.stringify(word)))) counted('sent')
  }
  /** Those that should be heard and are not. */
  const missing = (): readonly string[] => {
    const now = clock.monotonic()
    const expected: Iterable<readonly [string, number]> = awaited ?? peers
    return [...expected].filter(([id, from]) => now - Math.max(since, from, peers.get(id) ?? 0) > silenceMs).map(([id]) => id)
  }
  const judge = (): void => {
    const absent = link.isUp ? missing() : []
    const next = link.isUp && absent.length === 0 && !isStopped
    if (next === isUp) return
    isUp = next
    if (absent.length > 0) log.warn({ instances: absent.slice(0, 5) }, 'another replica is not heard by NATS, not relying on it')
    for (const listener of upListeners) listener(isUp)
  }
  const beat = (): void => {
    timer?.cancel()
    if (isStopped || !link.isUp) return
    say(false)
    // judged after reading: what this process did not hear while it stood still counts as said
    timer = afterReading(clock, beatMs, () => {
      const now = clock.monotonic()
      for (const [id, at] of peers) if (now - at > forgetMs) peers.delete(id)
      judge()
      beat()
    })
  }

  link.subscribe(subject, ({ data }) => {
    const word = readWord(data)
    if (!word || word.from === instanceId) {
      counted('refused')
      return
    }
    counted('heard')
    if (word.gone) peers.delete(word.from)
    else {
      if (peers.size >= maxPeers && !peers.has(word.from)) peers.delete(peers.keys().next().value ?? '')
      peers.set(word.from, clock.monotonic())
    }
    if (!isUp) judge()
    for (const listener of heard) listener(word.seq)
  })
  const stopWatching = link.onUp((linkIsUp) => {
    since = clock.monotonic()
    if (linkIsUp) beat()
    judge()
  })

  return {
    get isUp() {
      return isUp
    },
    announce: (seq) => {
      last = Math.max(last, seq)
      if (isQueued || isStopped) return
      isQueued = true
      // the latest of this turn says it for all
      setImmediate(() => {
        isQueued = false
        if (!isStopped) say(false)
      })
    },
    onAnnounced: (listener) => {
      heard.add(listener)
      return () => heard.delete(listener)
    },
    onUp: (listener) => {
      upListeners.add(listener)
      return () => upListeners.delete(listener)
    },
    awaits: (instanceIds) => {
      const now = clock.monotonic()
      const before = awaited
      awaited = new Map(instanceIds.filter((id) => id !== instanceId).map((id) => [id, before?.get(id) ?? now]))
      judge()
    },
    stop: () => {
      if (isStopped) return
      say(true)
      isStopped = true
      timer?.cancel()
      stopWatching()
      judge()
    },
  }
}

function readWord(data: Uint8Array): Word | undefined {
  if (data.length > maxWordBytes) return undefined
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(data).toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('from' in value) || !('seq' in value)) return undefined
  const { from, seq } = value
  if (typeof from !== 'string' || from === '' || typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) return undefined
  return { from, seq, ...('gone' in value && value.gone === true ? { gone: true } : {}) }
}
