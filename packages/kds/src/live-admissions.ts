// Admission that lasts as long as it is true: when keys, revocations, a Zone's labels or the client authorities change, or a credential
// expires, the streams that came in by it are looked at again and ended.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { ChangeFeed } from './change-feed.ts'
import type { Admitted, AdmitDecision, AdmitRequest, AdmitZone } from './contract.ts'

export interface LiveAdmissions {
  /** Follows an admitted stream; `end` is called at most once, with the reason. Returns what to call when the stream ends by itself. */
  follow(request: AdmitRequest, admitted: Admitted, end: (reason: string) => void): () => void
  /** Looks at all of them again. */
  recheck(): void
  close(): void
}

interface Followed {
  readonly request: AdmitRequest
  expiresAt: number | undefined
  end(reason: string): void
}

/** Longest time between two looks at what expires: timers do not reach further than some weeks. */
const longestMs = 86_400_000

/** Follows nothing yet; starts to look at the changes of the feed. */
export function followAdmissions(options: {
  readonly admit: AdmitZone
  readonly feed: ChangeFeed
  readonly clock: Clock
  readonly log: Logger
}): LiveAdmissions {
  const { admit, feed, clock, log } = options
  const followed = new Set<Followed>()
  let timer: { readonly due: number; readonly timer: Timer } | undefined

  const decide = async (request: AdmitRequest): Promise<AdmitDecision> => {
    try {
      return await admit(request)
    } catch (error) {
      // what cannot be decided now was decided before
      log.error({ zone: request.zone, err: messageOf(error) }, 'kds admission cannot be checked again')
      return { admitted: false, reason: messageOf(error), later: true }
    }
  }
  const look = async (streams: readonly Followed[]): Promise<void> => {
    const decision = streams[0] && (await decide(streams[0].request))
    for (const stream of streams) {
      if (!decision || !followed.has(stream)) continue
      if (decision.admitted) stream.expiresAt = decision.expiresAt
      else if (!decision.later) {
        followed.delete(stream)
        stream.end(decision.reason)
      }
    }
  }
  const recheck = (): void => {
    // all streams of a connection came in by the same credential
    const byCredential = new Map<string, Followed[]>()
    for (const stream of followed) {
      const { zone, peerAddress, authorization } = stream.request
      const key = JSON.stringify([zone, peerAddress, authorization])
      const group = byCredential.get(key)
      if (group) group.push(stream)
      else byCredential.set(key, [stream])
    }
    void Promise.all([...byCredential.values()].map(look)).then(schedule)
  }
  const schedule = (): void => {
    const now = clock.now()
    const next = Math.min(...[...followed].map(({ expiresAt }) => expiresAt ?? Number.POSITIVE_INFINITY))
    if (next === Number.POSITIVE_INFINITY || (timer && timer.due <= next)) return
    timer?.timer.cancel()
    const waitMs = Math.min(longestMs, Math.max(0, next - now) + 1)
    timer = {
      due: now + waitMs,
      timer: clock.after(waitMs, () => {
        timer = undefined
        recheck()
      }),
    }
  }
  const stops = [
    feed.on('GlobalSecret', (changes) => changes.some(({ key }) => key.name.startsWith('zone-token-')) && recheck()),
    feed.on('Zone', recheck),
    feed.on('Config', (changes) => changes.some(({ key }) => key.name === 'kuma-cluster-id') && recheck()),
  ]
  return {
    follow: (request, { expiresAt }, end) => {
      const stream: Followed = { request, expiresAt, end }
      followed.add(stream)
      schedule()
      return () => void followed.delete(stream)
    },
    recheck,
    close: () => {
      for (const stop of stops) stop()
      timer?.timer.cancel()
      followed.clear()
    },
  }
}
