// The dynamic configuration listener: what the launcher polls over a Unix socket, with ETags (contract/dataplane.md section 10).
// `/dns` is always answered, because the launcher reports ready only after its first answer.
import { createHash } from 'node:crypto'
import {
  directRoute,
  dynamicConfigRouteName,
  dynamicConfigSocket,
  filterChain,
  httpDraft,
  joinPath,
  type ListenerDraft,
  listenerDraft,
  localInternalAddresses,
  pipeAddress,
  systemNames,
} from '@weft/envoy'
import type { DnsRecord, ProxyFacts } from '@weft/facts'
import { labelKeys } from '@weft/resources'
import type { ProxyTraits } from '../features.ts'

/** One answer: `path` without its leading slash, and the JSON text. */
export interface DynamicConfigEntry {
  readonly path: string
  readonly body: string
}

const dnsTtlSeconds = 30

/**
 * The `/dns` answer; undefined when the proxy has no DNS port, or is only a zone proxy: nobody beside it asks for names. Without redirected DNS it has
 * no records.
 */
export function dnsEntry(facts: ProxyFacts, traits: ProxyTraits): DynamicConfigEntry | undefined {
  if (facts.proxy.dnsPort <= 0 || isZoneProxy(facts)) return undefined
  const redirect = facts.proxy.transparentProxy
  const active = redirect?.dnsEnabled === true && (!traits.bindOutbounds || traits.boundNames)
  const records = active ? sortedRecords(facts.dns, redirect.ipv6) : []
  const namespace = facts.labels[labelKeys.namespace]
  const extraLabels: Record<string, string> = { kuma_io_zone: facts.zone, kuma_workload: facts.workload, mesh: facts.mesh }
  if (namespace) extraLabels['k8s_kuma_io_namespace'] = namespace
  return { path: 'dns', body: JSON.stringify({ records, ttl: dnsTtlSeconds, extraLabels }) }
}

function isZoneProxy({ proxy, inbounds, outbounds, zoneListeners, gateway }: ProxyFacts): boolean {
  return zoneListeners.length > 0 && inbounds.length + outbounds.length === 0 && !gateway && proxy.transparentProxy === undefined
}

function sortedRecords(records: readonly DnsRecord[], ipv6: boolean): readonly DnsRecord[] {
  return records
    .map(({ name, ips }) => ({ name, ips: ipv6 ? [...ips, ...ips.flatMap(mapped)] : ips }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

/** An IPv4 address in its IPv6 form, as hexadecimal groups. */
function mapped(ip: string): string[] {
  const parts = ip.split('.').map(Number)
  const [a, b, c, d] = parts
  if (parts.length !== 4 || a === undefined || b === undefined || c === undefined || d === undefined) return []
  return [`::ffff:${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`]
}

/**
 * The listener with two routes per entry; undefined without entries. A name resolves when what it stands for can be reached: the records go
 * with the listeners of their addresses, after the clusters `named`.
 */
export function dynamicConfigListener(
  facts: ProxyFacts,
  entries: readonly DynamicConfigEntry[],
  named: readonly string[] = [],
): ListenerDraft | undefined {
  if (entries.length === 0) return undefined
  const listener = listenerDraft({
    name: systemNames.dynamicConfig,
    address: pipeAddress(joinPath(facts.proxy.workdir, dynamicConfigSocket)),
    direction: 'unspecified',
    bindToPort: true,
    statPrefix: false,
  })
  const routes = []
  let largest = 0
  for (const { path, body } of entries) {
    const etag = createHash('sha256').update(body).digest('hex')
    const name = dynamicConfigRouteName(path)
    largest = Math.max(largest, Buffer.byteLength(body))
    routes.push(
      directRoute({ name: `${name}_not_modified`, path: `/${path}`, header: { name: 'If-None-Match', exact: etag }, status: 304 }),
      directRoute({ name, path: `/${path}`, status: 200, body, responseHeader: { name: 'Etag', value: etag } }),
    )
  }
  const http = httpDraft({
    statPrefix: systemNames.dynamicConfig,
    routeConfigName: systemNames.dynamicConfig,
    virtualHost: systemNames.dynamicConfig,
    routes,
    config: { internalAddressConfig: localInternalAddresses(facts.proxy.ipv6Enabled) },
  })
  http.routeConfig.maxDirectResponseBodySizeBytes = { value: largest }
  listener.chains.push(filterChain(http))
  listener.announces = named
  return listener
}
