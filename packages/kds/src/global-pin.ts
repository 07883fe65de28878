// Which global a zone belongs to: the one it first synced with, until an operator adopts another. Kept in a Config of the zone, which never
// travels, so that it survives restarts.
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { codec } from '@weft/proto'
import type { ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { member, text } from './json.ts'
import type { DeltaResponse } from './wire.ts'

/** What a global is known by. */
export interface GlobalIdentity {
  /** Value of its Config `kuma-cluster-id`: an own global greets with it, a stock one lists it (contract/kds.md section 9.4). */
  readonly clusterId: string
  readonly peer: 'own' | 'stock'
  /**
   * The id outlives a restart of this global. An own one says so; a stock one says nothing, and is known to when the same id was seen of two
   * processes. Without that another id may be the same global, which keeps its state in memory and has started again.
   */
  readonly lasting: boolean
}

/** The global that a zone belongs to. */
export interface GlobalPin extends GlobalIdentity {
  /** `host:port` where it was last found. */
  readonly address: string
  /** RFC 3339 of when this id was pinned. */
  readonly since: string
  /** `control-plane-id` of the process that was last there; '' while it is not known. */
  readonly process: string
}

/**
 * - `first`: nothing is pinned.
 * - `same`: it is the one.
 * - `restarted`: a global whose id does not last, at its address, of its kind: it came back without its state.
 * - `other`: another global.
 */
export type PinVerdict = 'first' | 'same' | 'restarted' | 'other'

/** Judges the global that was found at an address. */
export function judgeGlobal(found: GlobalIdentity, at: { readonly pin: GlobalPin | undefined; readonly address: string }): PinVerdict {
  const { pin, address } = at
  if (!pin) return 'first'
  if (found.clusterId === pin.clusterId) return 'same'
  return !pin.lasting && pin.address === address && pin.peer === found.peer ? 'restarted' : 'other'
}

/** The pin in the zone's store. */
export interface PinMemory {
  readonly pin: GlobalPin | undefined
  /** Pins; `actor` goes into the change log. Never rejects: a failing write is logged, and this process goes on with what was not written. */
  set(pin: GlobalPin, actor: string): Promise<void>
}

/** The Config that holds the pin. */
export const pinConfig: ResourceKey = { type: 'Config', mesh: '', name: 'weft-kds-global' }

/** Always what the store says, so that another process of the zone may have written it. What cannot be read counts as none, and is logged. */
export function openPinMemory({ store, log }: { readonly store: Store; readonly log: Logger }): PinMemory {
  let read: { readonly config: unknown; readonly pin: GlobalPin | undefined } = { config: undefined, pin: undefined }
  let unwritten: GlobalPin | undefined
  const current = (): GlobalPin | undefined => {
    const config = member(store.get(pinConfig)?.spec, 'config')
    if (config === read.config) return read.pin
    read = { config, pin: parse(config) }
    if (config !== undefined && !read.pin)
      log.error({ name: pinConfig.name }, 'kds pin of global cannot be read; the next global is pinned')
    return read.pin
  }
  return {
    get pin() {
      return unwritten ?? current()
    },
    set: async (next, actor) => {
      unwritten = next
      try {
        await store.transact([{ op: 'put', resource: { ...pinConfig, labels: {}, spec: { config: JSON.stringify(next) } } }], {
          actor,
          reason: 'kds',
          class: 'desired',
        })
        if (unwritten === next) unwritten = undefined
      } catch (error) {
        log.warn({ err: messageOf(error) }, 'kds pin of global not saved')
      }
    },
  }
}

function parse(config: unknown): GlobalPin | undefined {
  if (typeof config !== 'string') return undefined
  let value: unknown
  try {
    value = JSON.parse(config)
  } catch {
    return undefined
  }
  const clusterId = text(value, 'clusterId')
  if (clusterId === '') return undefined
  return {
    clusterId,
    peer: text(value, 'peer') === 'own' ? 'own' : 'stock',
    lasting: member(value, 'lasting') === true,
    address: text(value, 'address'),
    since: text(value, 'since'),
    process: text(value, 'process'),
  }
}

/** The only Config that travels: every global makes one (contract/kds.md section 9.4). */
export const clusterIdName = 'kuma-cluster-id'

/** The cluster id in a store: made there at global, as received at a zone. */
export function clusterIdIn(store: Pick<Store, 'get'>): string | undefined {
  return clusterIdOf(member(store.get({ type: 'Config', mesh: '', name: clusterIdName })?.spec, 'config'))
}

const resources = codec('kuma.mesh.v1alpha1.KumaResource')
const configs = codec('kuma.system.v1alpha1.Config')

/** The cluster id that a response of type Config lists. Throws kds/bad-message when it cannot be read. */
export function listedClusterId(response: DeltaResponse): string | undefined {
  try {
    for (const { value } of response.resources) {
      const { meta, spec } = resources.decode(value)
      if (meta?.name === clusterIdName && spec?.value) return clusterIdOf(configs.decode(spec.value).config)
    }
  } catch (error) {
    throw new AppError('kds/bad-message', `Config cannot be decoded: ${messageOf(error)}`, { cause: error })
  }
  return undefined
}

const longestId = 200

/** A cluster id as a peer tells it; undefined when it is none. */
export function clusterIdOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) && value.length <= longestId ? value : undefined
}
