// Virtual IPs that became free and may not be given to another destination yet: an hour long, and for as long as a proxy still holds a
// listener of the old one. Kept in a Config of this control plane, so that a restart shortens no rest.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import type { Store } from '@weft/store'
import { fieldsOf } from './generated-part.ts'

export interface RestingVips {
  /** Sends an address to rest; `kri` is the destination that had it. */
  rest(ip: string, kri: string): void
  /** Whether the destination may have the address: it rests no longer, or was its own. */
  isFree(ip: string, kri: string): boolean
  /** Writes down what this process has seen go to rest while another one was to write it. */
  takeOver(): void
}

export interface RestingVipsOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly restMs: number
  /** Whether any connected proxy has a listener of this destination. */
  readonly holdsListener: (kri: string) => boolean
  /** False while another process keeps the record. */
  readonly mayWrite: () => boolean
}

interface Rest {
  readonly kri: string
  /** On the clock. */
  readonly until: number
}

const key = { type: 'Config', mesh: '', name: 'weft-resting-vips' }

/** Reads what rests from the store. */
export function createRestingVips(options: RestingVipsOptions): RestingVips {
  const { store, clock, log } = options
  const resting = parse(fieldsOf(store.get(key)?.spec)['config'])
  let isSaving = false
  let isDirty = false

  const isOver = (rest: Rest): boolean => rest.until <= clock.now() && !options.holdsListener(rest.kri)

  const save = async (): Promise<void> => {
    if (!options.mayWrite()) return
    if (isSaving) {
      isDirty = true
      return
    }
    isSaving = true
    // changes of one turn are one write
    await Promise.resolve()
    do {
      isDirty = false
      for (const [ip, rest] of resting) if (isOver(rest)) resting.delete(ip)
      const config = JSON.stringify(Object.fromEntries(resting))
      try {
        await store.transact([{ op: 'put', resource: { ...key, labels: {}, spec: { config } } }], {
          actor: 'generator:vips',
          reason: 'generated',
          class: 'observed',
        })
      } catch (error) {
        log.warn({ err: messageOf(error) }, 'resting addresses not saved')
      }
    } while (isDirty)
    isSaving = false
  }
  return {
    takeOver: () => {
      if (resting.size > 0) void save()
    },
    rest: (ip, kri) => {
      resting.set(ip, { kri, until: clock.now() + options.restMs })
      void save()
    },
    isFree: (ip, kri) => {
      const rest = resting.get(ip)
      if (!rest || rest.kri === kri) return true
      return isOver(rest)
    },
  }
}

function parse(config: unknown): Map<string, Rest> {
  const resting = new Map<string, Rest>()
  if (typeof config !== 'string') return resting
  try {
    for (const [ip, value] of Object.entries(fieldsOf(JSON.parse(config)))) {
      const { kri, until } = fieldsOf(value)
      if (typeof kri === 'string' && typeof until === 'number') resting.set(ip, { kri, until })
    }
  } catch {
    // an address given out too early is the lesser evil
  }
  return resting
}
