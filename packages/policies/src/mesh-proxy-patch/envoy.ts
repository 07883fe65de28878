// MeshProxyPatch: edits of finished Envoy resources, written by people who know Envoy (contract/policies.md section 3.16). It acts after every
// other policy, on all clusters and listeners of a proxy.
import { extensionNames, metadataKeys, passthroughName } from '@weft/envoy'
import { proxyConf } from '@weft/policy'
import { anyOf, type Messages, unpackAny } from '@weft/proto'
import type { AddedResources, PolicyPlugin } from '../plugin.ts'
import { editFilters, patchMessage } from './edit.ts'
import { type Modification, type ModificationMatch, readModifications } from './modifications.ts'

type Cluster = Messages['envoy.config.cluster.v3.Cluster']
type Listener = Messages['envoy.config.listener.v3.Listener']
type FilterChain = Messages['envoy.config.listener.v3.FilterChain']
type Filter = Messages['envoy.config.listener.v3.Filter']
type VirtualHost = Messages['envoy.config.route.v3.VirtualHost']

type Conf = Readonly<Record<string, unknown>> | undefined

const hcmType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
type Hcm = Messages[typeof hcmType]

/** What added resources are said to come from: part of the peers' API. */
const addedOrigin = 'proxy-template-modifications'

/** Adds, removes and patches clusters, listeners, filters and virtual hosts. */
export const meshProxyPatchPlugin: PolicyPlugin<undefined, undefined, undefined, Conf> = {
  type: 'MeshProxyPatch',
  order: 9999,
  proxyConf({ policies, report }) {
    const conf = proxyConf(policies)
    if (conf !== undefined) for (const problem of modificationsOf(conf).problems) report(problem)
    return conf
  },
  rawCluster: (cluster, origin, conf) => editCluster(cluster, origin, modificationsOf(conf).list),
  rawListener: (listener, origin, conf) => editListener(listener, origin, modificationsOf(conf).list),
  added: (conf) => addedBy(modificationsOf(conf).list),
}

const memo = new WeakMap<object, ReturnType<typeof readModifications>>()

/** Values are read once for each conf, not once for each resource. */
function modificationsOf(conf: Conf): ReturnType<typeof readModifications> {
  if (conf === undefined) return { list: [], problems: [] }
  let read = memo.get(conf)
  if (read === undefined) {
    read = readModifications(conf)
    memo.set(conf, read)
  }
  return read
}

/** What is added, with what the modifications after it do to it. */
function addedBy(list: readonly Modification[]): AddedResources {
  const clusters: Cluster[] = []
  const listeners: Listener[] = []
  list.forEach(({ part, operation, value }, index) => {
    if (operation !== 'Add' || value === undefined) return
    const later = list.slice(index + 1)
    const cluster = part === 'cluster' ? editCluster(value, addedOrigin, later) : undefined
    if (cluster !== undefined) clusters.push(cluster)
    const listener = part === 'listener' ? editListener(value, addedOrigin, later) : undefined
    if (listener !== undefined) listeners.push(listener)
  })
  return { clusters, listeners }
}

function editCluster(cluster: Cluster, origin: string, list: readonly Modification[]): Cluster | undefined {
  let edited = cluster
  for (const modification of list) {
    const { part, operation, match } = modification
    if (part !== 'cluster' || operation === 'Add' || !isFrom(match, origin) || !isNamed(match.name, [cluster.name ?? ''])) continue
    if (operation === 'Remove') return undefined
    edited = keepName(patchMessage(modification, edited), cluster)
  }
  return edited
}

function editListener(listener: Listener, origin: string, list: readonly Modification[]): Listener | undefined {
  const names = namesOf(listener.name ?? '')
  let edited = listener
  for (const modification of list) {
    const { part, operation, match } = modification
    if (!isFrom(match, origin)) continue
    if (part === 'listener') {
      if (operation === 'Add' || !isNamed(match.name, names) || !hasTags(edited, match)) continue
      if (operation === 'Remove') return undefined
      edited = keepName(patchMessage(modification, edited), listener)
    } else if (part === 'virtualHost') edited = editConnectionManagers(edited, (hcm) => editVirtualHosts(hcm, modification))
    else if (part !== 'cluster' && isNamed(match.listenerName, names) && hasTags(edited, match)) {
      edited =
        part === 'networkFilter'
          ? editChains(edited, (chain) => withFilters(chain, editFilters(modification, chain.filters ?? [])))
          : editConnectionManagers(edited, (hcm) => withHttpFilters(hcm, editFilters(modification, hcm.httpFilters ?? [])))
    }
  }
  return edited
}

function isFrom({ origin }: ModificationMatch, of: string): boolean {
  return origin === undefined || origin === of
}

function isNamed(wanted: string | undefined, names: readonly string[]): boolean {
  return wanted === undefined || names.includes(wanted)
}

/** The passthrough listeners answer to the names that older peers gave them as well. */
function namesOf(name: string): readonly string[] {
  const direction = (['inbound', 'outbound'] as const).find(
    (one) => name === passthroughName(one, 'ipv4') || name === passthroughName(one, 'ipv6'),
  )
  return direction === undefined ? [name] : [name, `${direction}:passthrough:${name.endsWith('6') ? 'ipv6' : 'ipv4'}`]
}

/** Every wanted tag is a label of the listener; `*` stands for any value. */
function hasTags(listener: Listener, { tags }: ModificationMatch): boolean {
  const fields = listener.metadata?.filterMetadata?.[metadataKeys.tags]?.fields ?? {}
  return Object.entries(tags).every(([key, value]) => {
    const found = Object.hasOwn(fields, key) ? fields[key]?.stringValue : undefined
    return found !== undefined && (value === '*' || found === value)
  })
}

/** Resources are served under their own names: others refer to them. */
function keepName<R extends { readonly name?: string | undefined }>(edited: R, original: R): R {
  if (edited.name !== original.name)
    throw new Error(`a patch cannot rename ${JSON.stringify(original.name)} to ${JSON.stringify(edited.name)}`)
  return edited
}

/** The same listener when no chain changes. */
function editChains(listener: Listener, edit: (chain: FilterChain) => FilterChain): Listener {
  const before = listener.filterChains ?? []
  const after = before.map(edit)
  return after.some((chain, index) => chain !== before[index]) ? { ...listener, filterChains: after } : listener
}

function withFilters(chain: FilterChain, filters: readonly Filter[]): FilterChain {
  return filters === chain.filters ? chain : { ...chain, filters }
}

function withHttpFilters(hcm: Hcm, httpFilters: NonNullable<Hcm['httpFilters']>): Hcm {
  return httpFilters === hcm.httpFilters ? hcm : { ...hcm, httpFilters }
}

function editConnectionManagers(listener: Listener, edit: (hcm: Hcm) => Hcm): Listener {
  return editChains(listener, (chain) => {
    const before = chain.filters ?? []
    const after = before.map((filter): Filter => {
      const hcm = filter.name === extensionNames.httpConnectionManager ? unpackAny(filter.typedConfig, hcmType) : undefined
      const edited = hcm && edit(hcm)
      return edited === undefined || edited === hcm ? filter : { ...filter, typedConfig: anyOf(hcmType, edited) }
    })
    return after.some((filter, index) => filter !== before[index]) ? { ...chain, filters: after } : chain
  })
}

/** Connection managers without routes of their own are left alone. */
function editVirtualHosts(hcm: Hcm, modification: Modification): Hcm {
  const { routeConfig } = hcm
  const { operation, match, value } = modification
  if (!routeConfig || !isNamed(match.routeConfigurationName, [routeConfig.name ?? ''])) return hcm
  const hosts = routeConfig.virtualHosts ?? []
  const matches = (host: VirtualHost): boolean => isNamed(match.name, [host.name ?? ''])
  const virtualHosts =
    operation === 'Add'
      ? [...hosts, ...(value === undefined ? [] : [value])]
      : operation === 'Remove'
        ? hosts.filter((host) => !matches(host))
        : hosts.map((host) => (matches(host) ? patchMessage(modification, host) : host))
  return { ...hcm, routeConfig: { ...routeConfig, virtualHosts } }
}
