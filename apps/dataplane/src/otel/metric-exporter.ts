// Sends metrics to one collector at its interval. Nothing is kept for later: Prometheus metrics are totals, so the next export says all that a lost one said.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { MetricSender } from './collector-client.ts'

export interface MetricExporterOptions {
  /** Name of the backend, for the log. */
  readonly name: string
  readonly intervalMs: number
  /** The requests of one export. */
  readonly collect: () => Promise<Iterable<Uint8Array>>
  readonly sender: MetricSender
  readonly clock: Clock
  readonly log: Logger
  /** In [0, 1): where in its interval a proxy begins, so that those of one policy do not all send at once. */
  readonly random?: () => number
}

export interface MetricExporter {
  close(): void
}

/** Below this an interval would be a loop. */
const shortestIntervalMs = 1_000
const firstRetryMs = 2_000
const lastRetryMs = 120_000

/** Exports until closed, one at a time. Failures are said once, until one succeeds. */
export function startMetricExporter(options: MetricExporterOptions): MetricExporter {
  const { name, sender, clock, log, random = Math.random } = options
  const intervalMs = Math.max(options.intervalMs, shortestIntervalMs)
  let failures = 0
  let isRejecting = false
  let isClosed = false
  let timer: Timer | undefined

  const exportOnce = async (): Promise<void> => {
    let rejected = 0
    let reason = ''
    for (const request of await options.collect()) {
      if (isClosed) return
      const result = await sender.send(request)
      rejected += result.rejected
      reason ||= result.reason
    }
    if (rejected > 0 && !isRejecting)
      log.warn({ component: 'dp.otel', name, count: rejected, err: reason }, 'the collector refused some metrics')
    isRejecting = rejected > 0
  }
  const run = async (): Promise<void> => {
    const startedAt = clock.monotonic()
    try {
      await exportOnce()
      if (failures > 0 && !isClosed) log.info({ component: 'dp.otel', name }, 'metrics are sent again')
      failures = 0
    } catch (error) {
      if (!isClosed && failures === 0)
        log.warn({ component: 'dp.otel', name, err: messageOf(error) }, 'cannot send metrics; further failures are not said')
      failures++
    }
    if (isClosed) return
    const wantedMs = failures === 0 ? intervalMs : Math.max(intervalMs, Math.min(firstRetryMs * 2 ** (failures - 1), lastRetryMs))
    const tookMs = clock.monotonic() - startedAt
    timer = clock.after(Math.max(wantedMs - tookMs, shortestIntervalMs), () => void run())
  }
  timer = clock.after(random() * Math.min(intervalMs, lastRetryMs), () => void run())
  return {
    close: () => {
      isClosed = true
      timer?.cancel()
      sender.close()
    },
  }
}
