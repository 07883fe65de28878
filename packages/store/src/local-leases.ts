// Leases of a store that one process has for itself.
import type { Clock } from '@weft/foundation/time'
import type { LeaseTable, StoreInstance, WriteLease } from './lease-table.ts'

export interface LocalLeases extends LeaseTable {
  /** Whether the epoch is that of now. */
  holds(lease: WriteLease): boolean
}

export interface LocalLeasesOptions {
  readonly clock: Clock
  /** The last epoch of each name. */
  readonly epochs?: ReadonlyMap<string, number>
  /** Makes an epoch durable, after every write that was under way. */
  readonly save?: (name: string, epoch: number) => Promise<void>
}

interface Row {
  readonly epoch: number
  /** Undefined: free. */
  readonly holder?: string
  /** On the clock, monotonic. */
  readonly until: number
}

/** Nobody holds any at first: whoever did before ended with its process. */
export function createLocalLeases({ clock, epochs, save }: LocalLeasesOptions): LocalLeases {
  const rows = new Map<string, Row>([...(epochs ?? [])].map(([name, epoch]) => [name, { epoch, until: 0 }]))
  const instances = new Map<string, { readonly instance: StoreInstance; readonly until: number }>()
  const listeners = new Set<(name: string) => void>()
  const holds = ({ name, epoch }: WriteLease): boolean => rows.get(name)?.epoch === epoch
  const all = (): readonly StoreInstance[] => [...instances.values()].map((each) => each.instance).sort((a, b) => (a.id < b.id ? -1 : 1))
  return {
    holds,
    acquire: async (name, holder, ms) => {
      const row = rows.get(name)
      const now = clock.monotonic()
      if (row?.holder !== undefined && row.holder !== holder && row.until > now) return { holder: row.holder, remainingMs: row.until - now }
      const epoch = (row?.epoch ?? 0) + 1
      // the old epoch is fenced from here on, whether the new one can be kept or not
      rows.set(name, { epoch, holder, until: now + ms })
      try {
        await save?.(name, epoch)
      } catch (error) {
        if (holds({ name, epoch })) rows.set(name, { epoch, until: now })
        throw error
      }
      return { epoch }
    },
    renew: async (lease, ms) => {
      const row = rows.get(lease.name)
      if (row?.holder === undefined || row.epoch !== lease.epoch) return false
      rows.set(lease.name, { ...row, until: clock.monotonic() + ms })
      return true
    },
    release: async (lease) => {
      const row = rows.get(lease.name)
      if (row?.holder === undefined || row.epoch !== lease.epoch) return
      const epoch = lease.epoch + 1
      rows.set(lease.name, { epoch, until: 0 })
      await save?.(lease.name, epoch)
      for (const listener of listeners) listener(lease.name)
    },
    onReleased: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    appear: async (instance, ms) => {
      const now = clock.monotonic()
      instances.set(instance.id, { instance, until: now + ms })
      for (const [id, { until }] of instances) if (until <= now && id !== instance.id) instances.delete(id)
      return all()
    },
    living: async () => {
      const now = clock.monotonic()
      for (const [id, { until }] of instances) if (until <= now) instances.delete(id)
      return all()
    },
    leave: async (id) => void instances.delete(id),
  }
}
