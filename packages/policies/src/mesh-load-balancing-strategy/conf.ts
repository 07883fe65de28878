// Effective conf of MeshLoadBalancingStrategy, read totally (contract/policies.md section 3.8).
import { field, isObject, listField, textField, textsField } from '@weft/foundation/json'
import { boolField, decimalField, durationField, uintField } from '../conf-values.ts'
import { primeFrom } from './prime.ts'

/** How one of the endpoints is chosen. */
export type Balancer =
  | { readonly type: 'RoundRobin' | 'Random' }
  | { readonly type: 'LeastRequest'; readonly options?: { readonly choiceCount?: number; readonly activeRequestBias?: number } }
  | {
      readonly type: 'RingHash'
      readonly options?: { readonly murmur?: true; readonly minRingSize?: number; readonly maxRingSize?: number }
    }
  | { readonly type: 'Maglev'; readonly options?: { readonly tableSize?: number } }

/** What a request is hashed by. */
export type HashKey = { readonly terminal: boolean } & (
  | { readonly type: 'Header' | 'QueryParameter' | 'FilterState'; readonly name: string }
  | { readonly type: 'Cookie'; readonly name: string; readonly path: string; readonly ttlMs?: number }
  | { readonly type: 'Connection'; readonly sourceIp: boolean }
)

/** A label whose equal value makes an endpoint near, and the share of traffic of those that are. */
export interface AffinityTag {
  readonly key: string
  readonly weight: number
}

/** Where traffic goes when its own zone has too few healthy endpoints. */
export interface FailoverRule {
  /** Zones the rule is for; undefined: all. */
  readonly from?: readonly string[]
  readonly to: 'None' | 'Only' | 'Any' | 'AnyExcept'
  readonly zones: readonly string[]
}

/** How endpoints are ordered by place; `regrouped` is absent when their own order holds and only the zone counts. */
export interface LocalityConf {
  readonly disabled: boolean
  readonly regrouped?: {
    readonly affinity: readonly AffinityTag[]
    readonly failover: readonly FailoverRule[]
    /** Percentage of healthy endpoints below which traffic begins to leave the zone. */
    readonly threshold?: number
  }
}

/** Everything about one destination. */
export interface LoadBalancingConf {
  readonly balancer?: Balancer
  readonly hashKeys?: readonly HashKey[]
  readonly locality?: LocalityConf
}

/** Reads a merged conf. */
export function loadBalancingConf(conf: unknown): LoadBalancingConf {
  const balancer = balancerOf(field(conf, 'loadBalancer'))
  const hashKeys = hashKeysOf(conf)
  const locality = field(conf, 'localityAwareness')
  return {
    ...(balancer === undefined ? {} : { balancer }),
    ...(hashKeys === undefined ? {} : { hashKeys }),
    ...(isObject(locality) ? { locality: localityOf(locality) } : {}),
  }
}

/** The hash policies of a conf; undefined when it does not speak of them. */
export function hashKeysOf(conf: unknown): readonly HashKey[] | undefined {
  if (!Array.isArray(field(conf, 'hashPolicies'))) return undefined
  return listField(conf, 'hashPolicies').flatMap((policy) => hashKeyOf(policy) ?? [])
}

function hashKeyOf(policy: unknown): HashKey | undefined {
  const terminal = boolField(policy, 'terminal') ?? false
  const cookie = field(policy, 'cookie')
  const named = (type: 'Header' | 'QueryParameter' | 'FilterState', name: string): HashKey | undefined =>
    name === '' ? undefined : { type, name, terminal }
  switch (textField(policy, 'type')) {
    case 'Header':
      return named('Header', textField(field(policy, 'header'), 'name'))
    case 'QueryParameter':
      return named('QueryParameter', textField(field(policy, 'queryParameter'), 'name'))
    case 'FilterState':
      return named('FilterState', textField(field(policy, 'filterState'), 'key'))
    case 'Connection':
      return { type: 'Connection', sourceIp: boolField(field(policy, 'connection'), 'sourceIP') ?? false, terminal }
    case 'Cookie': {
      const ttlMs = durationField(cookie, 'ttl')
      const name = textField(cookie, 'name')
      if (name === '') return undefined
      return { type: 'Cookie', name, path: textField(cookie, 'path'), ...(ttlMs === undefined ? {} : { ttlMs }), terminal }
    }
    default:
      return undefined
  }
}

/** The largest table that Envoy takes; it is prime. */
const largestTable = 5_000_011

function balancerOf(value: unknown): Balancer | undefined {
  switch (textField(value, 'type')) {
    case 'RoundRobin':
      return { type: 'RoundRobin' }
    case 'Random':
      return { type: 'Random' }
    case 'LeastRequest': {
      const options = field(value, 'leastRequest')
      const choiceCount = uintField(options, 'choiceCount')
      const activeRequestBias = decimalField(options, 'activeRequestBias')
      if (!isObject(options)) return { type: 'LeastRequest' }
      return {
        type: 'LeastRequest',
        options: {
          ...(choiceCount === undefined || choiceCount < 2 ? {} : { choiceCount }),
          ...(activeRequestBias === undefined ? {} : { activeRequestBias }),
        },
      }
    }
    case 'RingHash':
      return isObject(field(value, 'ringHash'))
        ? { type: 'RingHash', options: ringOptions(field(value, 'ringHash')) }
        : { type: 'RingHash' }
    case 'Maglev': {
      const options = field(value, 'maglev')
      const tableSize = uintField(options, 'tableSize')
      if (!isObject(options)) return { type: 'Maglev' }
      // Envoy takes no other size
      return { type: 'Maglev', options: tableSize === undefined ? {} : { tableSize: primeFrom(Math.min(tableSize, largestTable)) } }
    }
    default:
      return undefined
  }
}

function ringOptions(options: unknown): NonNullable<Extract<Balancer, { readonly type: 'RingHash' }>['options']> {
  const minRingSize = uintField(options, 'minRingSize')
  const maxRingSize = uintField(options, 'maxRingSize')
  return {
    ...(textField(options, 'hashFunction') === 'MurmurHash2' ? { murmur: true } : {}),
    ...(minRingSize === undefined ? {} : { minRingSize }),
    ...(maxRingSize === undefined ? {} : { maxRingSize }),
  }
}

function localityOf(locality: unknown): LocalityConf {
  const disabled = boolField(locality, 'disabled') ?? false
  const localZone = field(locality, 'localZone')
  const crossZone = field(locality, 'crossZone')
  if (disabled || (!isObject(localZone) && !isObject(crossZone))) return { disabled }
  const threshold = decimalField(field(crossZone, 'failoverThreshold'), 'percentage')
  return {
    disabled,
    regrouped: {
      affinity: affinityOf(listField(localZone, 'affinityTags')),
      failover: listField(crossZone, 'failover').map(failoverRule),
      ...(threshold === undefined || threshold <= 0 || threshold > 100 ? {} : { threshold }),
    },
  }
}

/** Highest power of ten that a generated weight has: the sum of weights must fit 32 bits. */
const highestPower = 8

/** Without weights of their own, each tag takes nine tenths of what those before it left. */
function affinityOf(tags: readonly unknown[]): readonly AffinityTag[] {
  return tags.map((tag, index) => ({
    key: textField(tag, 'key'),
    weight: uintField(tag, 'weight') || 9 * 10 ** Math.min(tags.length - index - 1, highestPower),
  }))
}

function failoverRule(rule: unknown): FailoverRule {
  const from = field(rule, 'from')
  const to = field(rule, 'to')
  const type = textField(to, 'type')
  return {
    ...(isObject(from) ? { from: textsField(from, 'zones') } : {}),
    to: type === 'Only' || type === 'Any' || type === 'AnyExcept' ? type : 'None',
    zones: textsField(to, 'zones'),
  }
}
