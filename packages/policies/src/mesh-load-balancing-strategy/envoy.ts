// MeshLoadBalancingStrategy: the algorithm of clusters, the hash keys of routes and the order of endpoints (contract/policies.md section 3.8).
import {
  clusterEndpoints,
  type ClusterDraft,
  durationMs,
  type FilterChainDraft,
  type HttpDraft,
  lbPolicy,
  type Mutable,
  uintValue,
} from '@weft/envoy'
import type { Messages } from '@weft/proto'
import type { PolicyPlugin } from '../plugin.ts'
import { type Balancer, type HashKey, hashKeysOf, type LoadBalancingConf, loadBalancingConf } from './conf.ts'
import { arrange, type Placement, placementOf } from './locality.ts'

/** What holds for a destination and for the routes that policies name. */
export interface OutboundBalancing {
  readonly service: LoadBalancingConf
  /** By route name; null: the route's conf has no hash policies, and it takes none from its destination. */
  readonly routes: Readonly<Record<string, readonly HashKey[] | null>>
}

/** Edits clusters, routes and load assignments of destinations. */
export const meshLoadBalancingStrategyPlugin: PolicyPlugin<undefined, OutboundBalancing | undefined, undefined, undefined, Placement> = {
  type: 'MeshLoadBalancingStrategy',
  order: 400,
  outboundConf({ rule, routeRules }) {
    if (rule === undefined && routeRules.size === 0) return undefined
    const routes = Object.fromEntries([...routeRules].map(([name, routeRule]) => [name, hashKeysOf(routeRule.conf) ?? null]))
    return { service: loadBalancingConf(rule?.conf), routes }
  },
  outboundCluster({ cluster }, conf) {
    if (conf === undefined) return
    const { balancer, locality } = conf.service
    if (balancer !== undefined) setBalancer(cluster, balancer)
    // A zone egress has endpoints of its own, outside of every zone.
    const weighted = (locality?.regrouped?.affinity.length ?? 0) > 0 && clusterEndpoints(cluster) !== undefined
    if (weighted) cluster.config.commonLbConfig = { ...cluster.config.commonLbConfig, localityWeightedLbConfig: {} }
  },
  clusterConf(conf) {
    if (conf === undefined) return undefined
    const { hashKeys: _, ...service } = conf.service
    return { service, routes: {} }
  },
  outboundListener: ({ listener }, conf) => hashChains(listener.chains, conf),
  listenerConf(conf) {
    if (conf === undefined) return undefined
    const { hashKeys } = conf.service
    return { service: hashKeys === undefined ? {} : { hashKeys }, routes: conf.routes }
  },
  egressChain: ({ chain }, conf) => hashChains([chain], conf),
  placement: (client, conf) => (conf?.service.locality === undefined ? undefined : placementOf(client, conf.service.locality)),
  loadAssignment: arrange,
}

function hashChains(chains: readonly FilterChainDraft[], conf: OutboundBalancing | undefined): void {
  if (conf === undefined) return
  for (const { terminal } of chains) {
    if (terminal.kind !== 'http') continue
    for (const host of terminal.virtualHosts) for (const route of host.routes) hashRoute(route, conf)
  }
}

function hashRoute({ name, route }: HttpDraft['virtualHosts'][number]['routes'][number], conf: OutboundBalancing): void {
  const own = name !== undefined && Object.hasOwn(conf.routes, name) ? conf.routes[name] : undefined
  const keys = own === undefined ? conf.service.hashKeys : own
  if (route && keys) route.hashPolicy = [...(route.hashPolicy ?? []), ...keys.map(hashPolicy)]
}

function hashPolicy(key: HashKey): Mutable<Messages['envoy.config.route.v3.RouteAction.HashPolicy']> {
  const { terminal } = key
  switch (key.type) {
    case 'Header':
      return { header: { headerName: key.name }, terminal }
    case 'QueryParameter':
      return { queryParameter: { name: key.name }, terminal }
    case 'FilterState':
      return { filterState: { key: key.name }, terminal }
    case 'Connection':
      return { connectionProperties: { sourceIp: key.sourceIp }, terminal }
    case 'Cookie':
      return { cookie: { name: key.name, path: key.path, ...(key.ttlMs === undefined ? {} : { ttl: durationMs(key.ttlMs) }) }, terminal }
  }
}

const murmurHash2 = 1

function setBalancer({ config }: ClusterDraft, balancer: Balancer): void {
  switch (balancer.type) {
    case 'RoundRobin':
      config.lbPolicy = lbPolicy.ROUND_ROBIN
      return
    case 'Random':
      config.lbPolicy = lbPolicy.RANDOM
      return
    case 'LeastRequest': {
      config.lbPolicy = lbPolicy.LEAST_REQUEST
      if (balancer.options === undefined) return
      const { choiceCount, activeRequestBias: bias } = balancer.options
      config.leastRequestLbConfig = {
        ...(choiceCount === undefined ? {} : { choiceCount: uintValue(choiceCount) }),
        ...(bias === undefined ? {} : { activeRequestBias: { defaultValue: bias, runtimeKey: biasKey } }),
      }
      return
    }
    case 'RingHash': {
      config.lbPolicy = lbPolicy.RING_HASH
      if (balancer.options === undefined) return
      const { murmur, minRingSize, maxRingSize } = balancer.options
      config.ringHashLbConfig = {
        ...(minRingSize === undefined ? {} : { minimumRingSize: uintValue(minRingSize) }),
        ...(maxRingSize === undefined ? {} : { maximumRingSize: uintValue(maxRingSize) }),
        ...(murmur === undefined ? {} : { hashFunction: murmurHash2 }),
      }
      return
    }
    case 'Maglev': {
      config.lbPolicy = lbPolicy.MAGLEV
      if (balancer.options === undefined) return
      const { tableSize } = balancer.options
      config.maglevLbConfig = tableSize === undefined ? {} : { tableSize: uintValue(tableSize) }
    }
  }
}

/** Envoy refuses a value without a key to override it by at run time. */
const biasKey = 'upstream.least_request.active_request_bias'
