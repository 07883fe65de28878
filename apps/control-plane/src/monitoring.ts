// Discovery of what Prometheus scrapes, where there is someone to scrape: in a zone outside of Kubernetes, which has discovery of its own.
import { createMonitoringServer } from '@weft/api'
import type { Component } from '@weft/foundation/lifecycle'
import { createMonitoringAssignments } from '@weft/monitoring'
import type { SharedParts } from './shared-parts.ts'

/** None where it is switched off or not needed. Adds nodes to the graph, which must not have started. */
export function monitoringComponents({ config, graph, mesh, clock, log }: SharedParts): readonly Component[] {
  const { enabled, port, defaultFetchTimeout } = config.monitoringAssignmentServer
  if (!enabled || config.environment !== 'universal') return []
  return [
    createMonitoringServer({
      settings: { interface: config.apiServer.http.interface, port },
      assignments: createMonitoringAssignments({ graph, mesh }),
      defaultFetchTimeoutMs: defaultFetchTimeout,
      clock,
      log: log.child({ component: 'monitoring' }),
    }),
  ]
}
