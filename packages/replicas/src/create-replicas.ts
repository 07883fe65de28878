// The replicas of a control plane over whatever ways there are: hints from presence, questions over the first way that reaches, deaths only
// when they are confirmed.
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { Announcer, Holding, Leases, Member, Presence, Replicas, ReplicaRequest, RequestPath } from './contract.ts'

export interface ReplicasOptions {
  readonly self: Member
  readonly announcer: Announcer
  readonly presence: Presence
  /** The first that is up and reaches the other is used. */
  readonly paths: readonly RequestPath[]
  readonly leases: Leases
  /** The instance that the store says holds it. */
  holder(holding: Holding): string | undefined
  readonly clock: Clock
  readonly log: Logger
  /** Ends the ways. */
  close(): Promise<void>
}

/** Answered by every replica with nothing: proves that it lives. */
const pingTopic = 'replicas/ping'
const pingLimitMs = 2_000
/** How often a member that is missing, but not known to be dead, is looked at again. */
const againMs = 5_000

export function createReplicas(options: ReplicasOptions): Replicas {
  const { self, presence, paths, leases, clock, log } = options
  const deaths = new Set<(member: Member) => void>()
  const doubted = new Map<string, Timer | undefined>()
  let isStopped = false

  const ask = async (instanceId: string, request: ReplicaRequest): Promise<Uint8Array> => {
    let last: unknown = new AppError('replicas/unreachable', `there is no way to replica ${instanceId} at the moment`, { retryable: true })
    for (const path of paths) {
      if (!path.isUp) continue
      try {
        return await path.ask(instanceId, request)
      } catch (error) {
        if (!hasCode(error, 'replicas/unreachable')) throw error
        last = error
      }
    }
    throw last
  }
  const holdersOf = async (holding: Holding): Promise<readonly string[]> => {
    const hint = presence.isUp ? await presence.holder(holding).catch(() => undefined) : undefined
    const found = [hint, options.holder(holding)].filter((each) => each !== undefined && each !== self.instanceId)
    // the filter leaves names only
    return [...new Set(found as string[])]
  }

  const isDead = async ({ instanceId }: Member): Promise<boolean> => {
    const living = await leases.living()
    if (living.every((each) => each.instanceId !== instanceId)) return true
    try {
      await ask(instanceId, { topic: pingTopic, body: new Uint8Array(), limitMs: pingLimitMs })
      return false
    } catch (error) {
      return hasCode(error, 'replicas/unreachable')
    }
  }
  const confirm = async (member: Member): Promise<void> => {
    const { instanceId } = member
    let isConfirmed = false
    try {
      isConfirmed = await isDead(member)
    } catch (error) {
      log.debug({ replica: instanceId, err: messageOf(error) }, 'cannot tell whether a replica lives')
    }
    if (isStopped || !doubted.has(instanceId)) return
    if (!isConfirmed) {
      doubted.set(
        instanceId,
        clock.after(againMs, () => void confirm(member)),
      )
      return
    }
    doubted.delete(instanceId)
    log.warn({ replica: instanceId }, 'replica is dead')
    for (const listener of deaths) listener(member)
  }
  const unfollow = [
    presence.onMissing((member) => {
      if (doubted.has(member.instanceId)) return
      doubted.set(member.instanceId, undefined)
      void confirm(member)
    }),
    presence.onJoined(({ instanceId }) => {
      doubted.get(instanceId)?.cancel()
      doubted.delete(instanceId)
    }),
  ]
  for (const path of paths) path.serve(pingTopic, async () => new Uint8Array())

  return {
    self,
    announcer: options.announcer,
    presence,
    leases,
    onDeath: (listener) => {
      deaths.add(listener)
      return () => void deaths.delete(listener)
    },
    ask,
    askHolder: async (holding, request) => {
      let last: unknown = new AppError('replicas/no-holder', `no other replica holds ${holding}`)
      for (const instanceId of await holdersOf(holding)) {
        try {
          return await ask(instanceId, request)
        } catch (error) {
          // a hint that is out of date
          if (!hasCode(error, 'replicas/unreachable') && !hasCode(error, 'replicas/no-holder')) throw error
          last = error
        }
      }
      throw last
    },
    serve: (topic, handler) => {
      for (const path of paths) path.serve(topic, handler)
    },
    stop: async () => {
      isStopped = true
      for (const stop of unfollow) stop()
      for (const timer of doubted.values()) timer?.cancel()
      await options.close()
    },
  }
}
