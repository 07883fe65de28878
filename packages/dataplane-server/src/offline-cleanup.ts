// Removes Dataplanes of proxies that have been away for days: those that were lost and never came back (contract/dataplane.md section 6.4).
import { listField, textField } from '@weft/foundation/json'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { isOnline } from '@weft/insights'
import { labelKeys, nameKey, type Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import type { DataplaneServerSettings } from './settings.ts'

export interface OfflineCleanup {
  start(): void
  stop(): void
  /** One pass; resolves with the number of Dataplanes it removed. */
  run(): Promise<number>
}

export interface OfflineCleanupOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly settings: Pick<DataplaneServerSettings, 'zone' | 'environment' | 'cleanupAgeMs'>
  readonly isConnected: (proxyKey: string) => boolean
  /** False while another process does this. Default: always true. */
  readonly mayWrite?: (() => boolean) | undefined
}

/** Nothing announces that time passed. */
const passEveryMs = 600_000

/** Only Dataplanes whose insight says when they went are ever removed; on Kubernetes none, their pods decide. */
export function createOfflineCleanup(options: OfflineCleanupOptions): OfflineCleanup {
  const { store, clock, log, settings } = options
  let timer: Timer | undefined
  let isStopped = false

  const run = async (): Promise<number> => {
    if (settings.environment === 'kubernetes' || options.mayWrite?.() === false) return 0
    let removed = 0
    for (const dataplane of store.list('Dataplane')) {
      const isOurs = (dataplane.labels[labelKeys.zone] ?? settings.zone) === settings.zone
      if (!isOurs || options.isConnected(nameKey(dataplane))) continue
      const since = offlineSince(store.get({ type: 'DataplaneInsight', mesh: dataplane.mesh, name: dataplane.name }))
      if (since === undefined || clock.now() - since < settings.cleanupAgeMs) continue
      const key = { type: 'Dataplane', mesh: dataplane.mesh, name: dataplane.name }
      try {
        await store.transact([{ op: 'delete', key, expect: dataplane.version }], {
          actor: 'proxy',
          reason: 'offline for long',
          class: 'observed',
        })
        removed += 1
        log.info({ mesh: dataplane.mesh, proxy: dataplane.name }, 'dataplane that stayed away removed')
      } catch (error) {
        log.debug({ mesh: dataplane.mesh, proxy: dataplane.name, err: messageOf(error) }, 'dataplane that stayed away not removed')
      }
    }
    return removed
  }
  const arm = (): void => {
    if (isStopped) return
    timer = clock.after(passEveryMs, () => void run().finally(arm))
  }
  return {
    run,
    start: arm,
    stop: () => {
      isStopped = true
      timer?.cancel()
    },
  }
}

/** Milliseconds since the epoch when the last stream of the proxy ended; undefined while one is open or when nothing is known. */
function offlineSince(insight: Resource | undefined): number | undefined {
  if (!insight || isOnline(insight.spec)) return undefined
  const last = listField(insight.spec, 'subscriptions').at(-1)
  const time = Date.parse(textField(last, 'disconnectTime'))
  return Number.isNaN(time) ? undefined : time
}
