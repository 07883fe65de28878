// How far changes have come, the same at whichever replica it is asked: of a global, what each knows of the zones that it has; of a zone, what the
// leader knows, with the proxies of all.
import { isObject } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import { type ChangeReport, type ChangeSelection, type ChangesOfReplica, type KdsServer, mergeChanges, type OwnChanges } from '@weft/kds'
import type { Replicas } from '@weft/replicas'
import type { DeliveryOfReplicas } from './delivery-of-replicas.ts'
import { readMessage, viewsOfOthers, writeMessage } from './replica-messages.ts'
import { byLeader } from './sync-of-replicas.ts'
import type { SharedParts } from './shared-parts.ts'

export type ChangesAsked = (selection: ChangeSelection) => Promise<ChangeReport>

const shownProxies = 10

/** Of all zones. What a replica knows that does not answer is missing. */
export function globalChangesOfReplicas(
  replicas: Pick<Replicas, 'ask' | 'presence' | 'serve'>,
  server: Pick<KdsServer, 'changes' | 'zones'>,
  log: Logger,
): ChangesAsked {
  const topic = 'changes/global-view'
  const here = (selection: ChangeSelection): ChangesOfReplica => ({
    connected: [...new Set(server.zones().map(({ zone }) => zone))],
    report: server.changes(selection),
  })
  const others = {
    replicas,
    topic,
    // the view of another replica of this program
    read: (view: unknown) => (isObject(view) ? (view as unknown as ChangesOfReplica) : undefined),
    log: log.child({ component: 'replicas' }),
    silence: 'a replica does not say how far changes are',
  }
  // what `ChangesAsked` of another replica wrote
  replicas.serve(topic, async (body) => writeMessage(here(readMessage(body) as ChangeSelection)))
  return async (selection) => {
    const views = await viewsOfOthers({ ...others, body: writeMessage(selection) })
    return mergeChanges([here(selection), ...views], selection.limit)
  }
}

/** Of this zone. The leader has the session with global, and hears how far the proxies of the others are, as they do of its own. */
export function zoneChangesOfReplicas(
  { own: { replicas }, leadership: { lease } }: Pick<SharedParts, 'own' | 'leadership'>,
  changes: Pick<OwnChanges, 'report'>,
  deliveries: Pick<DeliveryOfReplicas, 'waiting'>,
): ChangesAsked {
  return byLeader({ replicas, lease }, 'changes/zone-view', async (selection: ChangeSelection) => {
    const proxies = await deliveries.waiting(shownProxies)
    return { ...changes.report(selection), proxies }
  })
}
