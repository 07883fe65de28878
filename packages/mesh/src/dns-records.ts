// DNS records of a proxy: the hostnames of its VIP outbounds. Proxies that share their outbounds share the records.
import type { DnsRecord, OutboundFact } from '@weft/facts'

/** Memoises on the identity of the list of outbounds, which is shared by proxies without restrictions. */
export function createDnsRecords(): (outbounds: readonly OutboundFact[]) => readonly DnsRecord[] {
  const made = new WeakMap<readonly OutboundFact[], readonly DnsRecord[]>()
  return (outbounds) => {
    let records = made.get(outbounds)
    if (!records) {
      records = dnsRecords(outbounds)
      made.set(outbounds, records)
    }
    return records
  }
}

/** One record for each hostname whose destination has an outbound on its VIP, sorted by name. */
export function dnsRecords(outbounds: readonly OutboundFact[]): readonly DnsRecord[] {
  const ips = new Map<string, Set<string>>()
  for (const { destination, address } of outbounds) {
    if (!destination.vips.includes(address)) continue
    for (const name of destination.hostnames) {
      const set = ips.get(name) ?? new Set()
      ips.set(name, set.add(address))
    }
  }
  return [...ips].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, set]) => ({ name, ips: [...set].sort() }))
}
