// Sync with global as any replica of a zone shows it and decides about it: the session is the leader's, so the leader is asked.
import type { ApiRoute } from '@weft/api'
import type { HeldSelection, KdsClient } from '@weft/kds'
import { type AdoptionEnd, adoptRoute } from './adopt-route.ts'
import { apiSettings } from './role-settings.ts'
import type { SharedParts } from './shared-parts.ts'
import { byLeader } from './sync-of-replicas.ts'
import { syncRepairRoutes } from './sync-repair-routes.ts'

/** What an operator decides about sync. */
export function zoneSyncRoutes({ config, tls, log }: SharedParts, sync: ZoneSyncByLeader): readonly ApiRoute[] {
  const { access } = apiSettings(config, tls)
  return [...syncRepairRoutes({ sync, access, log }), adoptRoute({ sync: sync.adoption, access })]
}

export type ZoneSyncByLeader = ReturnType<typeof zoneSyncByLeader>

/** Questions and decisions of every replica go to the one that has the session with global. */
export function zoneSyncByLeader({ own: { replicas }, leadership: { lease } }: SharedParts, client: KdsClient) {
  const leader = { replicas, lease }
  const status = byLeader(leader, 'sync/status', async () => client.status())
  const refusals = byLeader(leader, 'sync/refusals', async () => client.refusals())
  const held = byLeader(leader, 'sync/held', async () => client.held())
  const rejoin = byLeader(leader, 'sync/rejoin', async () => client.rejoin())
  const adoption = byLeader(leader, 'sync/adoption', async () => client.adoption())
  const compare = byLeader(leader, 'sync/compare', () => client.compare())
  const adopt = byLeader(leader, 'sync/adopt', ({ clusterId, actor }: { readonly clusterId: string; readonly actor: string }) =>
    client.adopt(clusterId, actor),
  )
  const adopting: AdoptionEnd = {
    adoption: () => adoption({}),
    compare: () => compare({}),
    adopt: (clusterId, actor) => adopt({ clusterId, actor }),
  }
  return {
    global: () => status({}),
    refusals: () => refusals({}),
    held: () => held({}),
    rejoin: () => rejoin({}),
    approveRemoval: byLeader(leader, 'sync/approve', (which: HeldSelection) => client.approveRemoval(which)),
    rejectRemoval: byLeader(leader, 'sync/reject', (which: HeldSelection) => client.rejectRemoval(which)),
    adoption: adopting,
  }
}
