// What a replica that died leaves behind. Its streams are unknown at first, and nothing changes; whoever did not come to another replica within
// the grace is gone.
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { Replicas } from '@weft/replicas'

export interface ReplicaDeathsOptions {
  readonly replicas: Pick<Replicas, 'onDeath' | 'presence'>
  isLiving(instanceId: string): boolean
  /** Replicas that the store names as holders of streams. */
  named(): Iterable<string>
  /** Told of a dead replica once its streams have had their time. */
  gone(instanceId: string): void
  readonly clock: Clock
  readonly log: Logger
}

/** Streams of a dead replica have this long to reach another one: Envoy waits up to 30 s between two attempts. */
const graceMs = 60_000
/** After the start every replica that lives has said so within this time, also one that this process did not hear before. */
const introductionMs = 20_000

/** Also finds those that died before this process started. */
export function followReplicaDeaths(options: ReplicaDeathsOptions): Component {
  const { replicas, clock } = options
  const waiting = new Map<string, Timer>()
  let introduction: Timer | undefined
  let unfollow = (): void => {}

  const died = (instanceId: string): void => {
    if (!waiting.has(instanceId)) waitFor(instanceId)
  }
  const waitFor = (instanceId: string): void => {
    waiting.set(
      instanceId,
      clock.after(graceMs, () => {
        waiting.delete(instanceId)
        if (options.isLiving(instanceId)) return
        // while nobody can be seen nobody is gone
        if (replicas.presence.isUp) options.gone(instanceId)
        else waitFor(instanceId)
      }),
    )
  }
  const introduce = (): void => {
    introduction = clock.after(introductionMs, () => {
      if (!replicas.presence.isUp) {
        introduce()
        return
      }
      for (const instanceId of new Set(options.named())) {
        if (options.isLiving(instanceId)) continue
        options.log.info({ replica: instanceId }, 'a replica of before is not there any more')
        died(instanceId)
      }
    })
  }
  return {
    name: 'replica-deaths',
    start: async () => {
      unfollow = replicas.onDeath(({ instanceId }) => died(instanceId))
      introduce()
    },
    stop: async () => {
      unfollow()
      introduction?.cancel()
      for (const timer of waiting.values()) timer.cancel()
    },
  }
}
