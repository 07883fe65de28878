// Questions from global to the Envoys of a zone over the zone's admin streams. A question is registered before it is sent, so no answer is
// too fast; answers nobody waits for are ignored (contract/kds.md section 12).
import { randomUUID } from 'node:crypto'
import { AppError } from '@weft/foundation/errors'
import type { Clock, Timer } from '@weft/foundation/time'
import { adminCodecs, type AdminAnswer } from './admin-messages.ts'
import { unpackAnswer } from './admin-payload.ts'
import type { AdminKind, AdminOptions } from './contract.ts'

/** One open admin stream of a zone. */
export interface AdminStream {
  write(bytes: Uint8Array): boolean
}

/** What is asked, and of whom. */
export interface AdminQuestion {
  readonly zone: string
  readonly kind: AdminKind
  readonly type: string
  /** The name in the zone's own store. */
  readonly name: string
  readonly mesh: string
  readonly options: AdminOptions
}

/** The questions under way and the streams they go over. */
export interface AdminBroker {
  /** A newer stream of the same zone and kind replaces the older one. Returns what to call when the stream ends. */
  connected(zone: string, kind: AdminKind, stream: AdminStream): () => void
  /** An answer that came over this stream: counts only for what was asked over it. */
  answered(answer: AdminAnswer, stream: AdminStream): void
  /** Rejects with kds/not-connected or kds/admin-failed. */
  ask(question: AdminQuestion): Promise<Uint8Array>
  close(): void
}

interface Waiter {
  readonly stream: AdminStream
  readonly timer: Timer
  readonly resolve: (bytes: Uint8Array) => void
  readonly reject: (error: AppError) => void
}

const answerLimitMs = 10_000

/** A broker without streams. */
export function createAdminBroker(clock: Clock): AdminBroker {
  const streams = new Map<string, AdminStream>()
  const waiters = new Map<string, Waiter>()

  const take = (id: string): Waiter | undefined => {
    const waiter = waiters.get(id)
    waiters.delete(id)
    waiter?.timer.cancel()
    return waiter
  }
  const abandon = (isAffected: (waiter: Waiter) => boolean, reason: string): void => {
    for (const [id, waiter] of waiters)
      if (isAffected(waiter)) take(id)?.reject(new AppError('kds/admin-failed', reason, { retryable: true }))
  }
  return {
    connected: (zone, kind, stream) => {
      const key = `${kind}/${zone}`
      streams.set(key, stream)
      return () => {
        if (streams.get(key) === stream) streams.delete(key)
        abandon((waiter) => waiter.stream === stream, `zone ${zone} disconnected before it answered`)
      }
    },
    answered: ({ id, result }, stream) => {
      if (waiters.get(id)?.stream !== stream) return
      const waiter = take(id)
      if (!waiter) return
      if ('error' in result) waiter.reject(new AppError('kds/admin-failed', result.error))
      else unpackAnswer(result.bytes).then(waiter.resolve, waiter.reject)
    },
    ask: ({ zone, kind, type, name, mesh, options }) => {
      const stream = streams.get(`${kind}/${zone}`)
      if (!stream)
        return Promise.reject(
          new AppError('kds/not-connected', `zone ${zone} has no ${kind} stream to this control plane`, { retryable: true }),
        )
      const id = randomUUID()
      return new Promise((resolve, reject) => {
        const timer = clock.after(answerLimitMs, () =>
          take(id)?.reject(
            new AppError('kds/admin-failed', `zone ${zone} did not answer within ${answerLimitMs / 1000} s`, { retryable: true }),
          ),
        )
        waiters.set(id, { stream, timer, resolve, reject })
        stream.write(adminCodecs[kind].encodeRequest({ id, type, name, mesh, options }))
      })
    },
    close: () => {
      streams.clear()
      abandon(() => true, 'the control plane is stopping')
    },
  }
}
