// Which resolvers know the names outside of the mesh: those of the operating system (resolv.conf(5)), or those a user names.
import { isIP } from 'node:net'

/** Address and port of a resolver. */
export interface Resolver {
  readonly address: string
  readonly port: number
}

export interface ResolverSet {
  /** In the order in which they are asked. */
  readonly resolvers: readonly Resolver[]
  /** How long one may take to answer. */
  readonly timeoutMs: number
  /** How often all of them are asked. */
  readonly attempts: number
}

const dnsPort = 53
/** As in the C library. */
const maxResolvers = 3
const defaultTimeoutSeconds = 2
const maxTimeoutSeconds = 5
const defaultAttempts = 2
const maxAttempts = 5

/** Reads a resolv.conf. Without a usable `nameserver` the resolver of this host is meant. */
export function parseResolvConf(text: string): ResolverSet {
  const resolvers: Resolver[] = []
  let timeoutSeconds = defaultTimeoutSeconds
  let attempts = defaultAttempts
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/)
    if (keyword === 'nameserver' && values[0] !== undefined && isIP(values[0]) !== 0) resolvers.push({ address: values[0], port: dnsPort })
    if (keyword !== 'options') continue
    timeoutSeconds = option(values, 'timeout') ?? timeoutSeconds
    attempts = option(values, 'attempts') ?? attempts
  }
  return {
    resolvers: resolvers.length === 0 ? [{ address: '127.0.0.1', port: dnsPort }] : resolvers.slice(0, maxResolvers),
    timeoutMs: clamp(timeoutSeconds, maxTimeoutSeconds) * 1_000,
    attempts: clamp(attempts, maxAttempts),
  }
}

/** Reads `address`, `address:port` or `[address]:port`; undefined when it is none of them. */
export function parseResolver(text: string): Resolver | undefined {
  if (isIP(text) !== 0) return { address: text, port: dnsPort }
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const address = found?.[1] ?? found?.[2] ?? ''
  const port = Number(found?.[3])
  return isIP(address) !== 0 && port >= 1 && port <= 65_535 ? { address, port } : undefined
}

/** The set of resolvers that a user named. */
export function resolverSet(resolvers: readonly Resolver[]): ResolverSet {
  return { resolvers, timeoutMs: defaultTimeoutSeconds * 1_000, attempts: defaultAttempts }
}

function option(values: readonly string[], name: string): number | undefined {
  const found = values.findLast((value) => new RegExp(`^${name}:\\d{1,3}$`).test(value))
  return found === undefined ? undefined : Number(found.slice(name.length + 1))
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 1), max)
}
