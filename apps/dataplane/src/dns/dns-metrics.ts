// What the DNS proxy counts, under the names of stock launchers.
import { createMetrics } from '@weft/foundation/metrics'
import { rcodes } from './message.ts'

export interface DnsMetrics {
  answered(query: { readonly type: string; readonly source: 'local' | 'upstream'; readonly rcode: number; readonly seconds: number }): void
  refused(rcode: number): void
  upstreamTook(seconds: number): void
  upstreamFailed(): void
  entries(count: number): void
  configArrived(secondsSinceStart: number): void
  /** Prometheus text. */
  expose(): Promise<string>
}

/** A set of metrics of its own. */
export function createDnsMetrics(): DnsMetrics {
  const metrics = createMetrics()
  const requests = metrics.histogram(
    'kuma_dp_dns_request_duration_seconds',
    'The duration of DNS requests, those for names of the mesh and others.',
  )
  const upstream = metrics.histogram('kuma_dp_dns_upstream_request_duration_seconds', 'The duration of DNS requests to resolvers.')
  const failures = metrics.counter('kuma_dp_dns_upstream_request_failure_count', 'DNS requests that no resolver answered.')
  const queries = metrics.counter('kuma_dp_dns_queries_total', 'DNS queries by type, and by where the answer came from.', [
    'qtype',
    'source',
  ])
  const responses = metrics.counter('kuma_dp_dns_response_codes_total', 'DNS responses by code.', ['rcode'])
  const entries = metrics.gauge('kuma_dp_dns_entries_total', 'Names of the mesh that are known.')
  const wait = metrics.histogram(
    'kuma_dp_dns_config_ready_wait_seconds',
    'Time from the start to the first names of the mesh.',
    [],
    [0.1, 0.5, 1, 2, 5, 10, 30],
  )
  return {
    answered: ({ type, source, rcode, seconds }) => {
      requests.observe(seconds)
      queries.inc({ qtype: type === 'A' || type === 'AAAA' ? type : 'other', source })
      responses.inc({ rcode: rcodeLabel(rcode) })
    },
    refused: (rcode) => responses.inc({ rcode: rcodeLabel(rcode) }),
    upstreamTook: (seconds) => upstream.observe(seconds),
    upstreamFailed: () => failures.inc(),
    entries: (count) => entries.set(count),
    configArrived: (seconds) => wait.observe(seconds),
    expose: async () => (await metrics.expose()).text,
  }
}

function rcodeLabel(rcode: number): string {
  if (rcode === rcodes.noError) return 'noerror'
  if (rcode === rcodes.nameError) return 'nxdomain'
  return rcode === rcodes.serverFailure ? 'servfail' : 'other'
}
