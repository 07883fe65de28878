// The other global that answers in place of the one a zone belongs to: shown, counted, and adopted when an operator says so.
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, timestamp } from '@weft/foundation/time'
import { displayName, isSentToZones, type Registry } from '@weft/resources'
import type { Store } from '@weft/store'
import type { GlobalIdentity, GlobalPin, PinMemory } from './global-pin.ts'
import { fromGlobal } from './incoming.ts'
import type { OtherGlobalView, OwnedType } from './sync-status.ts'

/** What is told, and whom it concerns. */
export interface OtherGlobalOptions {
  readonly store: Pick<Store, 'list'>
  readonly registry: Registry
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
  readonly metrics?: Metrics
  /** `host:port` that is dialled. */
  readonly address: string
  readonly pin: PinMemory
}

/** At most one at a time: the one that was found last. */
export interface OtherGlobal {
  /** Undefined while none is known. */
  readonly view: OtherGlobalView | undefined
  /** It was found and refused; logged when that is news. Returns the words for people. */
  refused(found: GlobalIdentity): string
  /** The global of this zone was found. */
  clear(): void
  /** Pins the one that was found last. Rejects with kds/other-global when that is not the one named. */
  adopt(clusterId: string, actor: string): Promise<void>
}

const namesShown = 5

export function createOtherGlobal(options: OtherGlobalOptions): OtherGlobal {
  const { store, registry, clock, log, address, pin } = options
  let found: (GlobalIdentity & { readonly since: string }) | undefined
  options.metrics?.gauge('kds_other_global', '1 while another global than the one of this zone answers at its address.', [], () =>
    found ? 1 : 0,
  )
  const commandFor = (clusterId: string): string => `weft --address <this zone> sync adopt --cluster-id ${shellWord(clusterId)} --yes`
  return {
    get view() {
      if (!found) return undefined
      const view: OtherGlobalView = {
        code: 'kds/other-global',
        ...found,
        address,
        owned: ownedByGlobal(store, registry),
        command: commandFor(found.clusterId),
      }
      return view
    },
    refused: (other) => {
      const isNews = found?.clusterId !== other.clusterId
      found = { ...other, since: isNews || !found ? timestamp(clock.now()) : found.since }
      const text = `at ${address} is another global, ${other.clusterId}; this zone belongs to ${known(pin.pin)}: nothing is taken from it or sent to it`
      if (!isNews) return text
      log.error(
        {
          error: 'kds/other-global',
          reason: text,
          owned: ownedText(ownedByGlobal(store, registry)),
          command: commandFor(other.clusterId),
        },
        'kds another global answers; adopting it overwrites what both have and holds what it does not list',
      )
      return text
    },
    clear: () => {
      found = undefined
    },
    adopt: async (clusterId, actor) => {
      if (!found || found.clusterId !== clusterId) {
        const what = found ? `the global found at ${address} is ${found.clusterId}` : `no other global answers at ${address}`
        throw new AppError('kds/other-global', `${what}, so ${JSON.stringify(clusterId.slice(0, 200))} cannot be adopted`)
      }
      const { since: _, ...identity } = found
      log.warn({ cluster: clusterId, before: pin.pin?.clusterId, address, user: actor }, 'kds zone adopts another global')
      await pin.set({ ...identity, address, since: timestamp(clock.now()), process: '' }, actor)
    },
  }
}

function known(pin: GlobalPin | undefined): string {
  return pin ? `${pin.clusterId} since ${pin.since}, last found at ${pin.address}` : 'none'
}

/** A peer chose the id, and people paste the command. */
function shellWord(text: string): string {
  return /^[\w.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** What a zone has from its global. */
export function ownedByGlobal(store: Pick<Store, 'list'>, registry: Registry): readonly OwnedType[] {
  const { owns } = fromGlobal([])
  return registry.all
    .filter(isSentToZones)
    .map((kind): OwnedType => {
      const names = store
        .list(kind.type)
        .filter((stored) => owns(kind, stored))
        .map((stored) => (stored.mesh === '' ? displayName(stored) : `${stored.mesh}/${displayName(stored)}`))
      return { type: kind.type, count: names.length, names: names.sort().slice(0, namesShown) }
    })
    .filter(({ count }) => count > 0)
    .sort((a, b) => (a.type < b.type ? -1 : 1))
}

function ownedText(owned: readonly OwnedType[]): string {
  return owned.map(({ type, count, names }) => `${type} ${count} (${names.join(', ')}${count > names.length ? ', ...' : ''})`).join('; ')
}
