// How far changes have come, the same at whichever replica it is asked: of a global, what each knows of the zones that it has; of a zone, what the
// leader knows, with the proxies of all.
import { messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import { type ChangeReport, type ChangeSelection, type ChangesOfReplica, type KdsServer, mergeChanges, type OwnChanges } from '@weft/kds'
import type { Replicas } from '@weft/replicas'
import type { DeliveryOfReplicas } from './delivery-of-replicas.ts'
import { byLeader } from './sync-of-replicas.ts'
import type { SharedParts } from './shared-parts.ts'

export type ChangesAsked = (selection: ChangeSelection) => Promise<ChangeReport>

const limitMs = 5_000
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
  const there = async (instanceId: string, body: Uint8Array): Promise<readonly ChangesOfReplica[]> => {
    try {
      const view = parse(await replicas.ask(instanceId, { topic, body, limitMs }))
      // the view of another replica of this program
      return isObject(view) ? [view as unknown as ChangesOfReplica] : []
    } catch (error) {
      log.warn({ component: 'replicas', replica: instanceId, err: messageOf(error) }, 'a replica does not say how far changes are')
      return []
    }
  }
  // what `ChangesAsked` of another replica wrote
  replicas.serve(topic, async (body) => write(here(parse(body) as ChangeSelection)))
  return async (selection) => {
    const others = await Promise.all(replicas.presence.members().map(({ instanceId }) => there(instanceId, write(selection))))
    return mergeChanges([here(selection), ...others.flat()], selection.limit)
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

function write(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
}
