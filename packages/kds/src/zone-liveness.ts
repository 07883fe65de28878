// Whether zones are alive, judged by what arrives from them and never by open sockets (architecture.md section 6, rule 6). Whatever a zone
// says counts: an answer to a ping, a health check, an acknowledgement. A zone that says nothing for three intervals is silent; the end of
// its streams alone then no longer tells that it left. Stalls of our own pause the verdict.
import type { Logger } from '@weft/foundation/log'
import { type Clock, createAwakeTime } from '@weft/foundation/time'

/** How often a zone has to be heard. */
export interface LivenessSettings {
  /** Between two pings of ours, and what stock zones are asked for. */
  readonly intervalMs: number
  /** Silence after which nothing is known of a zone. */
  readonly silentAfterMs: number
}

/** 2 s, silent after 3 misses. */
export const defaultLiveness: LivenessSettings = { intervalMs: 2_000, silentAfterMs: 6_000 }

/** connected: heard in time. silent: nothing heard for too long, or since the connection was lost. gone: it left, or never came. */
export type Contact = 'connected' | 'silent' | 'gone'

/** What is known of one zone's contact. */
export interface ContactFacts {
  readonly contact: Contact
  /** Milliseconds since the epoch; undefined when it was not heard since this process started. */
  readonly heardAt: number | undefined
  /** Since when it was last heard, by the monotonic clock. */
  readonly ageMs: number | undefined
}

/** A connection of a zone whose streams are followed. */
export interface FollowedStream {
  heard(): void
  ended(): void
}

/** Told when the verdict on a zone with open streams changes. */
export interface LivenessListener {
  silent(zone: string): void
  back(zone: string): void
}

export interface ZoneLiveness {
  /** A stream was opened. `tells`: the zone says something at least once an interval, so that its silence means something. */
  opened(zone: string, peerAddress: string, options?: { readonly tells: boolean }): FollowedStream
  /** Something came outside of a stream. */
  heard(zone: string, peerAddress: string): void
  contact(zone: string): ContactFacts
  /** False when this connection of a zone, or the zone when none is named, has missed a ping. */
  isAnswering(zone: string, peerAddress?: string): boolean
  /** Calls `ping` every interval until the function returned is called. */
  pinging(ping: () => void): () => void
  /** Zones known so far. */
  zones(): readonly string[]
  close(): void
}

interface Life {
  /** Open streams by connection. */
  readonly streams: Map<string, number>
  /** When each open connection was last heard, in awake time. */
  readonly heard: Map<string, number>
  lastAwake: number
  lastAt: number
  lastMonotonic: number
  /** Its silence means something. */
  tells: boolean
  silent: boolean
}

export interface ZoneLivenessOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly settings: LivenessSettings
  readonly listener: LivenessListener
}

/** Knows no zone yet; its timer runs only while a stream is open. */
export function createZoneLiveness({ clock, log, settings, listener }: ZoneLivenessOptions): ZoneLiveness {
  const lives = new Map<string, Life>()
  const pings = new Set<() => void>()
  let open = 0
  let odd = false

  const beat = (): void => {
    for (const [zone, life] of lives) judge(zone, life)
    odd = !odd
    if (odd) return
    for (const ping of pings) ping()
  }
  // twice an interval: a verdict is at most half an interval late
  const awake = createAwakeTime({ clock, beatMs: settings.intervalMs / 2, beat })

  const isOverdue = (life: Life): boolean => life.tells && awake.now() - life.lastAwake >= settings.silentAfterMs
  const judge = (zone: string, life: Life): void => {
    if (life.silent || life.streams.size === 0 || !isOverdue(life)) return
    life.silent = true
    log.warn({ zone, ms: Math.round(clock.monotonic() - life.lastMonotonic) }, 'kds zone is silent')
    listener.silent(zone)
  }
  const note = (zone: string, life: Life, peerAddress: string): void => {
    life.lastAwake = awake.now()
    life.lastAt = clock.now()
    life.lastMonotonic = clock.monotonic()
    if (life.streams.has(peerAddress)) life.heard.set(peerAddress, life.lastAwake)
    if (!life.silent) return
    life.silent = false
    log.info({ zone }, 'kds zone is heard again')
    listener.back(zone)
  }
  const lifeOf = (zone: string): Life => {
    let life = lives.get(zone)
    if (!life) {
      life = {
        streams: new Map(),
        heard: new Map(),
        lastAwake: awake.now(),
        lastAt: clock.now(),
        lastMonotonic: clock.monotonic(),
        tells: false,
        silent: false,
      }
      lives.set(zone, life)
    }
    return life
  }
  const closed = (life: Life, peerAddress: string): void => {
    const left = (life.streams.get(peerAddress) ?? 0) - 1
    if (left > 0) life.streams.set(peerAddress, left)
    else {
      life.streams.delete(peerAddress)
      life.heard.delete(peerAddress)
    }
    open -= 1
    if (open === 0) awake.stop()
  }
  const contactOf = (life: Life): Contact => {
    if (life.silent) return 'silent'
    if (life.streams.size === 0) return 'gone'
    return isOverdue(life) ? 'silent' : 'connected'
  }

  return {
    opened: (zone, peerAddress, { tells } = { tells: true }) => {
      if (open === 0) awake.start()
      open += 1
      const life = lifeOf(zone)
      if (life.streams.size === 0) life.tells = tells
      else life.tells ||= tells
      life.streams.set(peerAddress, (life.streams.get(peerAddress) ?? 0) + 1)
      note(zone, life, peerAddress)
      let ended = false
      return {
        heard: () => {
          if (!ended) note(zone, life, peerAddress)
        },
        ended: () => {
          if (ended) return
          ended = true
          // silence that is due counts before the end of the streams hides it
          judge(zone, life)
          closed(life, peerAddress)
        },
      }
    },
    heard: (zone, peerAddress) => {
      const life = lives.get(zone)
      if (life && life.streams.size > 0) note(zone, life, peerAddress)
    },
    contact: (zone) => {
      const life = lives.get(zone)
      if (!life) return { contact: 'gone', heardAt: undefined, ageMs: undefined }
      return { contact: contactOf(life), heardAt: life.lastAt, ageMs: Math.max(0, clock.monotonic() - life.lastMonotonic) }
    },
    isAnswering: (zone, peerAddress) => {
      const life = lives.get(zone)
      if (!life || life.streams.size === 0) return false
      if (!life.tells) return true
      const last = peerAddress === undefined ? life.lastAwake : life.heard.get(peerAddress)
      return last !== undefined && awake.now() - last < settings.intervalMs * 1.5
    },
    pinging: (ping) => {
      pings.add(ping)
      return () => void pings.delete(ping)
    },
    zones: () => [...lives.keys()],
    close: () => {
      awake.stop()
      pings.clear()
    },
  }
}
