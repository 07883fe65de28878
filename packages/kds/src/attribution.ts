// A zone can write only as itself. What it says of another zone is rewritten or refused where it is read; here it is counted, and the first of
// its kind is put into the change log in the zone's name.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, timestamp } from '@weft/foundation/time'
import type { ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { isRecord, list, member, text } from './json.ts'

/** Where a zone named another one. */
export type ClaimPlace = 'identifier' | 'node' | 'origin' | 'zone-label' | 'gateway-tag' | 'name' | 'removal'

/** One claim of a zone to be another. */
export interface ZoneClaim {
  /** The zone of the session. */
  readonly zone: string
  readonly place: ClaimPlace
  /** What it named instead: a zone, or `global`. */
  readonly claimed: string
  /** The resource that said so; absent for what is said of a whole stream. */
  readonly key?: ResourceKey
  /** `rewritten`: stored as the zone's own. `rejected`: not stored. */
  readonly result: 'rewritten' | 'rejected'
}

/** Takes claims. Never throws and never waits. */
export type ClaimLog = (claim: ZoneClaim) => void

/** Prefix of the names of the Configs that keep the claims of a zone. They never travel. */
export const claimsPrefix = 'weft-kds-claims.'

/** A zone that claims everything must not fill the log: so many kinds of claims are kept, the rest is only counted. */
const kept = 100
const longestText = 100

interface KeptClaim {
  readonly place: string
  readonly type: string
  readonly claimed: string
  /** The first resource that said so: `mesh/name`. */
  readonly first: string
  readonly result: string
  readonly time: string
}

/** Counts claims, and writes each new kind of a zone once. */
export function createClaimLog(options: {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
}): ClaimLog {
  const { store, clock, log } = options
  const counter = options.metrics?.counter('kds_zone_attribution_rewrites_total', 'Claims of zones to be another zone.', [
    'place',
    'result',
  ])
  const zones = new Map<string, Map<string, KeptClaim>>()
  const writing = new Map<string, Promise<void>>()

  const claimsOf = (zone: string): Map<string, KeptClaim> => {
    const found = zones.get(zone) ?? new Map(readClaims(store, zone).map((claim) => [kindOf(claim), claim]))
    zones.set(zone, found)
    return found
  }
  const save = async (zone: string): Promise<void> => {
    const config = JSON.stringify({ claims: [...claimsOf(zone).values()] })
    try {
      await store.transact([{ op: 'put', resource: { ...configKey(zone), labels: {}, spec: { config } } }], {
        actor: `zone:${zone}`,
        reason: 'kds: claimed to be another zone',
        class: 'desired',
      })
    } catch (error) {
      log.error({ zone, err: messageOf(error) }, 'kds claim of a zone not audited')
    }
  }
  return ({ zone, place, claimed, key, result }) => {
    counter?.inc({ place, result })
    const claims = claimsOf(zone)
    const claim: KeptClaim = {
      place,
      type: key?.type ?? '',
      claimed: claimed.slice(0, longestText),
      first: key ? `${key.mesh}/${key.name}` : '',
      result,
      time: timestamp(clock.now()),
    }
    if (claims.has(kindOf(claim)) || claims.size >= kept) return
    claims.set(kindOf(claim), claim)
    log.warn({ zone, place, claimed: claim.claimed, type: claim.type, name: claim.first, result }, 'kds zone claims to be another')
    // claims of one turn are one entry
    if (!writing.has(zone)) {
      const turn = Promise.resolve().then(() => {
        writing.delete(zone)
        return save(zone)
      })
      writing.set(zone, turn)
    }
  }
}

function configKey(zone: string): ResourceKey {
  return { type: 'Config', mesh: '', name: `${claimsPrefix}${zone}` }
}

function kindOf({ place, type, claimed }: KeptClaim): string {
  return JSON.stringify([place, type, claimed])
}

function readClaims(store: Store, zone: string): readonly KeptClaim[] {
  const config = member(store.get(configKey(zone))?.spec, 'config')
  try {
    return list(JSON.parse(typeof config === 'string' ? config : '{}'), 'claims')
      .filter(isRecord)
      .map((item) => ({
        place: text(item, 'place'),
        type: text(item, 'type'),
        claimed: text(item, 'claimed'),
        first: text(item, 'first'),
        result: text(item, 'result'),
        time: text(item, 'time'),
      }))
  } catch {
    return []
  }
}
