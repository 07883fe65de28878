// Whether a proxy has DNS beside it, on which port, and who answers for other names.
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import { type DnsProxy, startDnsProxy } from './dns-proxy.ts'
import type { Resolver } from './resolv-conf.ts'
import { createResolvers } from './resolvers.ts'
import { createUpstream } from './upstream.ts'

export interface DnsSettings {
  readonly enabled: boolean
  /** Undefined: where the transparent proxy redirects queries to, else 15053. 0 turns DNS off. */
  readonly port: number | undefined
  /** Resolvers for other names; empty are those of the operating system. */
  readonly upstreams: readonly Resolver[]
}

export interface DnsSurroundings {
  /** Port that queries of this host are redirected to; undefined when they are not. */
  readonly redirectedPort: number | undefined
  /** A proxy that only passes on the traffic of zones: nobody beside it asks for names. */
  readonly isZoneProxy: boolean
  readonly clock: Clock
  readonly log: Logger
}

/** Where the redirection of a transparent proxy goes unless it says otherwise. */
export const defaultDnsPort = 15_053

/**
 * Starts it; undefined when there is none to be. A port that is taken is an error where queries are redirected there; elsewhere nobody relies on it, and
 * several proxies of one host share its defaults: then there is a warning. Throws process/port-taken.
 */
export async function startDns(settings: DnsSettings, around: DnsSurroundings): Promise<DnsProxy | undefined> {
  const { redirectedPort, clock, log } = around
  const port = settings.port ?? redirectedPort ?? defaultDnsPort
  if (!settings.enabled || settings.port === 0 || around.isZoneProxy) return undefined
  if (redirectedPort !== undefined && redirectedPort !== port)
    log.warn({ component: 'dp.dns', port, redirectedPort }, 'queries are redirected to another port than DNS listens on')
  let ownPort = port
  const resolvers = createResolvers({ named: settings.upstreams, ownPort: () => ownPort, log })
  try {
    const dns = await startDnsProxy({
      port,
      upstream: createUpstream({ resolvers: resolvers.current, clock }),
      onUpstreamFailure: resolvers.reload,
      clock,
      log,
    })
    ownPort = dns.port
    log.info({ component: 'dp.dns', port: dns.port }, 'DNS listens')
    return dns
  } catch (error) {
    if (redirectedPort !== undefined || settings.port !== undefined || !(error instanceof AppError && error.code === 'process/port-taken'))
      throw error
    log.warn({ component: 'dp.dns', port, err: error.message }, 'no DNS for this proxy')
    return undefined
  }
}
