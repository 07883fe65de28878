// The instances of a store as the table that presence beats in.
import type { LeaseTable } from '@weft/store'
import type { Member } from './contract.ts'
import type { InstanceTable } from './table-presence.ts'

export function instanceTable(table: Pick<LeaseTable, 'appear' | 'leave'>): InstanceTable {
  return {
    beat: async ({ instanceId: id, ...rest }, ttlMs) =>
      (await table.appear({ id, ...rest }, ttlMs)).map(({ id: instanceId, ...where }): Member => ({ instanceId, ...where })),
    leave: (instanceId) => table.leave(instanceId),
  }
}
