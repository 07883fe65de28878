// Collectors that telemetry policies refer to, per mesh (contract/resources.md section 11).
import type { TelemetryBackendFact, TelemetryEnvPolicy } from '@weft/facts'
import type { Collection, Graph } from '@weft/graph'
import type { MeshOpenTelemetryBackendSpec, Resource } from '@weft/resources'

/** Port of a collector that names none, whatever it speaks. */
const defaultPort = 4317

/** By mesh name, oldest first: the oldest that a reference selects is the one meant. */
export function deriveTelemetryBackends(graph: Graph, resources: Collection<Resource>): Collection<readonly TelemetryBackendFact[]> {
  const facts = graph.map({ name: 'telemetryBackendFacts', from: resources }, (_, resource) => ({
    mesh: resource.mesh,
    backend: telemetryBackend(resource),
  }))
  const byMesh = graph.group('telemetryBackendsByMesh', facts, ({ mesh }) => [mesh])
  return graph.map({ name: 'telemetryBackends', from: byMesh }, (_, members) =>
    members.map(({ backend }) => backend).sort((a, b) => compare(a.creationTime, b.creationTime) || compare(a.name, b.name)),
  )
}

/** What policies see of a MeshOpenTelemetryBackend. */
export function telemetryBackend(resource: Resource): TelemetryBackendFact {
  // stored resources passed the codec of their kind
  const { endpoint, protocol, env } = resource.spec as MeshOpenTelemetryBackendSpec
  return {
    name: resource.name,
    labels: resource.labels,
    creationTime: resource.creationTime,
    address: endpoint?.address ?? '',
    port: endpoint?.port || defaultPort,
    path: endpoint?.path ?? '',
    protocol: protocol ?? 'grpc',
    env: env === undefined ? undefined : envPolicy(env),
  }
}

function envPolicy({ mode, precedence, allowSignalOverrides }: NonNullable<MeshOpenTelemetryBackendSpec['env']>): TelemetryEnvPolicy {
  return { mode: mode ?? 'Optional', precedence: precedence ?? 'EnvFirst', allowSignalOverrides: allowSignalOverrides !== false }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
