// Recovery: after a start without the state that proxies were served from, nothing is taken away from them until what they need is known to
// be back (architecture.md section 7). One instance for the process; each stream is told when its recovery is over.
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { DeltaStream } from '@weft/xds'

export interface RecoveryOptions {
  /** False when the store kept its state: then there is nothing to recover. */
  readonly needed: boolean
  /** True once the mesh of a proxy, and everything global sends, is here. */
  readonly isComplete: (mesh: string) => boolean
  readonly clock: Clock
  readonly log: Logger
  readonly graceMs?: number
}

export interface Recovery {
  isRecovering(proxyKey: string): boolean
  /** Told of every stream that is served. */
  onStream(proxyKey: string, stream: DeltaStream): void
  /** Looks again; to be called when what `isComplete` answers may have changed. */
  advance(): void
  /** Proxies that are still in recovery. */
  readonly waiting: readonly string[]
  /** Ends it now, as an operator may decide. */
  end(): void
  stop(): void
}

/** How long proxies have to come back before their endpoints may go. */
const defaultGraceMs = 60_000

export function createRecovery(options: RecoveryOptions): Recovery {
  const { clock, log } = options
  const streams = new Map<string, DeltaStream>()
  let isOver = !options.needed
  let isGraceOver = false
  const timer: Timer | undefined = isOver
    ? undefined
    : clock.after(options.graceMs ?? defaultGraceMs, () => {
        isGraceOver = true
        advance()
      })
  const meshOf = (proxyKey: string): string => proxyKey.slice(0, proxyKey.indexOf('/'))
  const release = (proxyKey: string): void => {
    streams.get(proxyKey)?.endRecovery()
    streams.delete(proxyKey)
  }
  const advance = (): void => {
    if (isOver || !isGraceOver) return
    for (const proxyKey of streams.keys()) if (options.isComplete(meshOf(proxyKey))) release(proxyKey)
    if (streams.size > 0) return
    isOver = true
    log.info({ component: 'recovery' }, 'recovery is over')
  }
  return {
    isRecovering: () => !isOver,
    onStream: (proxyKey, stream) => {
      if (!isOver) streams.set(proxyKey, stream)
    },
    advance,
    get waiting() {
      return [...streams.keys()].sort()
    },
    end: () => {
      for (const proxyKey of streams.keys()) release(proxyKey)
      isOver = true
    },
    stop: () => timer?.cancel(),
  }
}
