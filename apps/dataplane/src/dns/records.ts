// The names of the mesh, as the control plane sends them in `/dns` (contract/dataplane.md sections 10 and 13). A table is made whole and never changes.
import { isIP } from 'node:net'
import { AppError } from '@weft/foundation/errors'
import { field, isObject, listField, numberField, textField, textsField } from '@weft/foundation/json'

export interface NameAddresses {
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

export interface DnsTable {
  /** The addresses of a name in any spelling, without a final dot; undefined when it is no name of the mesh. */
  lookup(name: string): NameAddresses | undefined
  /** Number of names. */
  readonly size: number
  readonly ttlSeconds: number
  /** Labels for metrics of this proxy's DNS. */
  readonly labels: Readonly<Record<string, string>>
}

/** RFC 2181 section 8. */
const maxTtlSeconds = 0x7fffffff

/** The table before the control plane has said anything. */
export const emptyTable: DnsTable = { lookup: () => undefined, size: 0, ttlSeconds: 0, labels: {} }

/** Reads a `/dns` body. Texts that are no addresses are left out; a name without addresses exists and has none. Throws process/bad-config. */
export function readDnsTable(config: unknown): DnsTable {
  if (!isObject(config)) throw new AppError('process/bad-config', 'the DNS configuration is not an object')
  const names = new Map<string, NameAddresses>()
  for (const record of listField(config, 'records')) {
    const name = withoutDot(textField(record, 'name')).toLowerCase()
    if (name === '') continue
    const known = names.get(name)
    const ips = textsField(record, 'ips')
    names.set(name, {
      ipv4: [...(known?.ipv4 ?? []), ...ips.filter((ip) => isIP(ip) === 4)],
      ipv6: [...(known?.ipv6 ?? []), ...ips.filter((ip) => isIP(ip) === 6 && !ip.includes('%'))],
    })
  }
  const labels = field(config, 'extraLabels')
  return {
    lookup: (name) => names.get(withoutDot(name).toLowerCase()),
    size: names.size,
    ttlSeconds: Math.min(Math.max(Math.trunc(numberField(config, 'ttl')), 0), maxTtlSeconds),
    labels: Object.fromEntries(isObject(labels) ? Object.entries(labels).map(([key, value]) => [key, String(value)]) : []),
  }
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
