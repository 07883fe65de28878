// Where Prometheus scrapes the proxies that MeshMetrics select: the listeners of envoy.ts, seen from outside.
import type { Resource } from '@weft/resources'
import { proxyConf } from '@weft/policy'
import type { MetricConf } from './resource.ts'

export interface ScrapeTarget {
  /** The one Prometheus it is for; '' is for all that no backend names. */
  readonly clientId: string
  readonly port: number
  readonly path: string
  readonly scheme: 'http' | 'https'
}

/** The Prometheus backends of the MeshMetrics that select a proxy, weakest first. */
export function scrapeTargets(policies: readonly Resource[]): readonly ScrapeTarget[] {
  // stored policies passed the codec of their kind, and merging keeps its shape
  const conf = proxyConf(policies) as MetricConf | undefined
  return (conf?.backends ?? []).flatMap(({ type, prometheus }) => {
    if (type !== 'Prometheus' || prometheus === undefined) return []
    const { clientId = '', port, path, tls } = prometheus
    return [{ clientId, port, path, scheme: tls?.mode === 'ProvidedTLS' ? ('https' as const) : ('http' as const) }]
  })
}
