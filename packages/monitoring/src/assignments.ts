// Monitoring assignments: for each dataplane that a MeshMetric lets Prometheus scrape, where (contract/dataplane.md section 14.2). They follow from resources,
// not from connections, so a restart of the control plane takes no target away.
import { createHash } from 'node:crypto'
import type { Graph } from '@weft/graph'
import { type MeshFacts, policyView } from '@weft/mesh'
import { scrapeTargets, type ScrapeTarget } from '@weft/policies'
import { matchPolicies } from '@weft/policy'

/** One resource of the protocol, with its field names. */
export interface MonitoringAssignment {
  readonly mesh: string
  /** The workload; `unknown` where there is none. */
  readonly service: string
  readonly targets: readonly {
    readonly name: string
    readonly scheme: 'http' | 'https'
    /** `host:port`. */
    readonly address: string
    readonly metrics_path: string
  }[]
}

export interface AssignmentList {
  /** Equal for equal assignments, in every control plane of the zone and after restarts. */
  readonly version: string
  readonly assignments: readonly MonitoringAssignment[]
}

export interface MonitoringAssignments {
  /** What a client with this id gets: the backends that name it, or those that name none when no backend does. */
  of(clientId: string): AssignmentList
  /** Called after every commit that changed any assignment. Returns the unsubscriber. */
  onChange(listener: () => void): () => void
}

interface Scraped {
  readonly mesh: string
  readonly name: string
  readonly service: string
  readonly host: string
  readonly targets: readonly ScrapeTarget[]
}

export interface AssignmentInputs {
  readonly graph: Graph
  readonly mesh: Pick<MeshFacts, 'dataplanes' | 'resources'>
}

/** Adds its nodes to the graph, which must not have started. */
export function createMonitoringAssignments({ graph, mesh: facts }: AssignmentInputs): MonitoringAssignments {
  const policies = graph.group('meshMetricsByMesh', facts.resources('MeshMetric'), (policy) => [policy.mesh])
  const scraped = graph.map(
    { name: 'scrapedDataplanes', from: facts.dataplanes, reads: [policies] },
    (scope, dataplane): Scraped | undefined => {
      const ofMesh = scope.get(policies, dataplane.mesh) ?? []
      const targets = ofMesh.length === 0 ? [] : scrapeTargets(matchPolicies(ofMesh, policyView(dataplane)))
      if (targets.length === 0) return undefined
      const { mesh, name, workload, address } = dataplane
      return { mesh, name, service: workload || 'unknown', host: address.includes(':') ? `[${address}]` : address, targets }
    },
  )
  let lists = new Map<string, AssignmentList>()
  // registered first: whoever is told of a change reads the new lists
  scraped.onCommit(() => {
    lists = new Map()
  })
  return {
    of: (clientId) => {
      const all = [...scraped.entries()].map(([, each]) => each)
      const isNamed = clientId !== '' && all.some(({ targets }) => targets.some((target) => target.clientId === clientId))
      const wanted = isNamed ? clientId : ''
      const known = lists.get(wanted)
      if (known !== undefined) return known
      const list = listOf(all, wanted)
      lists.set(wanted, list)
      return list
    },
    onChange: (listener) => scraped.onCommit(listener),
  }
}

function listOf(all: readonly Scraped[], clientId: string): AssignmentList {
  const assignments = all
    .flatMap(({ mesh, name, service, host, targets }): MonitoringAssignment[] => {
      const own = targets.filter((target) => target.clientId === clientId)
      if (own.length === 0) return []
      return [
        { mesh, service, targets: own.map(({ scheme, port, path }) => ({ name, scheme, address: `${host}:${port}`, metrics_path: path })) },
      ]
    })
    .sort((a, b) => compare(a.mesh, b.mesh) || compare(a.targets[0]?.name ?? '', b.targets[0]?.name ?? ''))
  return { version: createHash('sha256').update(JSON.stringify(assignments)).digest('hex'), assignments }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
