// Matches of MeshPassthrough as filter chains: read totally, completed, and in the order in which the peers write them
// (contract/policies.md section 3.9).
import { isIP } from 'node:net'
import { field, listField, textField } from '@weft/foundation/json'
import { canonicalCidr } from './cidr.ts'

export type PassthroughProtocol = 'tls' | 'mysql' | 'tcp' | 'http' | 'http2' | 'grpc'
/** From the least to the most specific. */
const kinds = ['wildcard', 'domain', 'cidr4', 'cidr6', 'ip4', 'ip6'] as const
type Kind = (typeof kinds)[number]

/** One filter chain. */
export interface PassthroughChain {
  readonly protocol: PassthroughProtocol
  /** 0: every port. */
  readonly port: number
  readonly kind: Kind
  /** '' for a chain that collects HTTP domains. */
  readonly value: string
  /** HTTP domains, whole names before wildcards, each with the most labels first; only of a chain that collects them. */
  readonly domains: readonly string[]
}

const order: Readonly<Record<PassthroughProtocol, number>> = { tls: 0, mysql: 0, tcp: 1, http: 2, http2: 3, grpc: 4 }

interface Match {
  readonly protocol: PassthroughProtocol
  readonly port: number
  readonly kind: Kind
  readonly value: string
}

/** The chains for the matches of a merged conf. `report` is told which matches are left out, and why. */
export function passthroughChains(conf: unknown, report: (message: string) => void): readonly PassthroughChain[] {
  const read = listField(conf, 'appendMatch').flatMap((item, index) => {
    const match = matchOf(item)
    if (match === undefined) report(`appendMatch[${index}] cannot be understood`)
    return match ?? []
  })
  const told = withoutConflicts(read)
  for (const { protocol, port, value } of read.filter((match) => !told.includes(match))) {
    report(`${protocol} ${value}: another policy has another protocol for ${port === 0 ? 'all ports' : `port ${port}`}`)
  }
  const matches = onEveryPort(told)
  const chains = new Map<string, PassthroughChain>()
  for (const { protocol, port, kind, value } of matches) {
    if (!isRequestProtocol(protocol) || !isDomain(kind)) {
      chains.set(JSON.stringify([protocol, port, kind, value]), { protocol, port, kind, value, domains: [] })
      continue
    }
    const key = JSON.stringify([protocol, port])
    const domains = [...new Set([...(chains.get(key)?.domains ?? []), value])].sort(compareHosts)
    // whatever it collects, such a chain has the same place among the others
    chains.set(key, { protocol, port, kind: 'domain', value: '', domains })
  }
  return [...chains.values()].sort(compareChains)
}

/** True for protocols whose requests name a domain. */
export function isRequestProtocol(protocol: PassthroughProtocol): boolean {
  return order[protocol] >= order.http
}

/** True for traffic of this family. */
export function isOfFamily({ kind }: PassthroughChain, family: 'ipv4' | 'ipv6'): boolean {
  return isDomain(kind) || kind.endsWith(family === 'ipv4' ? '4' : '6')
}

function isDomain(kind: Kind): boolean {
  return kind === 'domain' || kind === 'wildcard'
}

function isWildcard(domain: string): boolean {
  return domain.startsWith('*')
}

function matchOf(item: unknown): Match | undefined {
  const value = textField(item, 'value')
  const protocol = protocolOf(field(item, 'protocol') ?? 'tcp')
  const port = field(item, 'port') ?? 0
  const kind = kindOf(textField(item, 'type'), value)
  if (protocol === undefined || kind === undefined || typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535)
    return undefined
  if (isDomain(kind) && (protocol === 'tcp' || protocol === 'mysql')) return undefined
  return protocol === 'mysql' && port === 0 ? undefined : { protocol, port, kind, value }
}

function protocolOf(value: unknown): PassthroughProtocol | undefined {
  return Object.keys(order).find((name): name is PassthroughProtocol => name === value)
}

function kindOf(type: string, value: string): Kind | undefined {
  if (type === 'Domain') return value === '' ? undefined : isWildcard(value) ? 'wildcard' : 'domain'
  const family = type === 'IP' ? isIP(value) : 0
  if (family !== 0) return family === 4 ? 'ip4' : 'ip6'
  const cidr = type === 'CIDR' ? canonicalCidr(value) : undefined
  return cidr === undefined ? undefined : cidr.family === 4 ? 'cidr4' : 'cidr6'
}

/** On one port, one request protocol: Envoy cannot tell them apart. The strongest policy's, which is the last, counts. */
function withoutConflicts(matches: readonly Match[]): readonly Match[] {
  const byPort = new Map<number, PassthroughProtocol>()
  for (const { protocol, port } of matches) if (isRequestProtocol(protocol)) byPort.set(port, protocol)
  return matches.filter(({ protocol, port }) => !isRequestProtocol(protocol) || byPort.get(port) === protocol)
}

/** Envoy looks at the port first: what holds for every port must be said again for each port that some match names. */
function onEveryPort(matches: readonly Match[]): readonly Match[] {
  const ports = [...new Set(matches.map((match) => match.port))].filter((port) => port !== 0)
  const anyPort = matches.filter((match) => match.port === 0)
  const repeated = ports.flatMap((port) => anyPort.map((match) => ({ ...match, port })))
  return withoutConflicts([...repeated, ...matches])
}

function compareChains(a: PassthroughChain, b: PassthroughChain): number {
  return (
    order[a.protocol] - order[b.protocol] ||
    kinds.indexOf(b.kind) - kinds.indexOf(a.kind) ||
    b.port - a.port ||
    (isDomain(a.kind) ? compareDomains(a.value, b.value) : compareAddresses(a.value, b.value)) ||
    (a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : 0)
  )
}

/** Those with more labels first, then by text. */
function compareDomains(a: string, b: string): number {
  return b.split('.').length - a.split('.').length || (a < b ? -1 : a > b ? 1 : 0)
}

/** Whole names before wildcards. */
function compareHosts(a: string, b: string): number {
  return Number(isWildcard(a)) - Number(isWildcard(b)) || compareDomains(a, b)
}

/** Longer prefixes first, then greater addresses. */
function compareAddresses(a: string, b: string): number {
  return (canonicalCidr(b)?.bits ?? 0) - (canonicalCidr(a)?.bits ?? 0) || (a > b ? -1 : a < b ? 1 : 0)
}
