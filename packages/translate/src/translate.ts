// What a zone would make of a set of documents, without a control plane: the same graph, generators and proxy builder, run once.
import type { ProxyFacts, ProxyMetadata } from '@weft/facts'
import { field, type JsonObject } from '@weft/foundation/json'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import type { GraphDump } from '@weft/graph'
import {
  createOfflineMesh,
  dataplaneRules,
  inspected,
  type OfflineMesh,
  readResourceDocuments,
  type RefusedDocument,
  withReadyIdentity,
} from '@weft/inspect'
import { defaultMeshSettings } from '@weft/mesh'
import { policyDescriptors } from '@weft/policies'
import { destinationLookup } from '@weft/policy'
import { type BuildProblem, createProxyBuilder, type ProxyBuilder, type ProxyDescription } from '@weft/proxy'
import { coreDescriptors, createRegistry, encodeRest, nameKey, type Registry, type Resource } from '@weft/resources'

export interface TranslateOptions {
  /** Parsed documents with where they came from. */
  readonly documents: readonly { readonly source: string; readonly value: unknown }[]
  /** The zone to be; documents with another zone label come from elsewhere. */
  readonly zone: string
}

/** One run. Proxies are those of the zone's dataplanes, as our launcher would connect them. */
export interface Translation extends AsyncDisposable {
  /** Documents that are no resources; everything else was translated. */
  readonly refused: readonly RefusedDocument[]
  /** Keys `mesh/name` of the zone's dataplanes, sorted. */
  readonly dataplanes: readonly string[]
  /** Every resource after generation, in the form of the API. */
  resources(): readonly JsonObject[]
  /** Undefined for an unknown dataplane, as in the following. */
  rules(dataplane: string): JsonObject | undefined
  facts(dataplane: string): ProxyFacts | undefined
  envoy(dataplane: string): ProxyDescription | undefined
  /** What could not be built for a dataplane. */
  problems(dataplane: string): readonly BuildProblem[]
  /** The graph's nodes; `node` gives one node's values by key, undefined for an unknown one. */
  graph(): GraphDump
  node(name: string): ReadonlyMap<string, unknown> | undefined
}

/** Translates documents. Resolves when everything is computed. */
export async function translate({ documents, zone }: TranslateOptions): Promise<Translation> {
  const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
  const read = readResourceDocuments(registry, documents, { mode: 'zone', zone, federated: true, environment: 'universal' })
  const offline = await createOfflineMesh({
    registry,
    resources: read.resources.map(withReadyIdentity),
    settings: { ...defaultMeshSettings, zone },
    proxy: (dataplane) => (isOf(dataplane, zone) ? metadataOf(dataplane) : undefined),
  })
  const { builder, problems } = createBuilder(offline)
  return {
    refused: read.refused,
    dataplanes: [...offline.mesh.proxyFacts.entries()].map(([key]) => key).sort(),
    resources: () => allResources(registry, offline),
    rules: (key) => {
      const resource = offline.store.list('Dataplane').find((each) => nameKey(each) === key)
      const dataplane = resource && inspected(offline.source, resource)
      return dataplane && dataplaneRules(dataplane)
    },
    facts: (key) => offline.mesh.proxyFacts.get(key),
    envoy: (key) => {
      const facts = offline.mesh.proxyFacts.get(key)
      if (!facts) return undefined
      builder.build(facts)
      return builder.describe(key)
    },
    problems: (key) => problems.filter((problem) => problem.proxy === key),
    graph: () => offline.graph.dump(),
    node: (name) => offline.graph.values(name),
    [Symbol.asyncDispose]: () => offline[Symbol.asyncDispose](),
  }
}

/** What our launcher tells about itself with default settings. */
const launcherMetadata: ProxyMetadata = {
  features: [],
  workdir: '/tmp/weft',
  adminAddress: '127.0.0.1',
  adminPort: 9901,
  adminSocketPath: undefined,
  readinessPort: 9902,
  dnsPort: 0,
  ipv6Enabled: true,
  systemCaPath: '',
  metricsCertPath: '',
  metricsKeyPath: '',
  hostIp: '',
  otelEnv: undefined,
  transparentProxy: undefined,
}

/** A Dataplane that names redirect ports is taken to be on a host that redirects. */
function metadataOf({ spec }: Resource): ProxyMetadata {
  const ports = field(field(spec, 'networking'), 'transparentProxying')
  const [inboundPort, outboundPort] = [field(ports, 'redirectPortInbound'), field(ports, 'redirectPortOutbound')]
  if (typeof inboundPort !== 'number' || typeof outboundPort !== 'number' || outboundPort === 0) return launcherMetadata
  return { ...launcherMetadata, transparentProxy: { inboundPort, outboundPort, ipv4: true, ipv6: false, dnsEnabled: true } }
}

function isOf({ labels }: Resource, zone: string): boolean {
  return labels['kuma.io/zone'] === zone && labels['kuma.io/origin'] !== 'global'
}

function createBuilder({ mesh }: OfflineMesh): { readonly builder: ProxyBuilder; readonly problems: readonly BuildProblem[] } {
  const problems: BuildProblem[] = []
  const builder = createProxyBuilder({
    log: silentLogger,
    metrics: createMetrics(),
    destinations: (of) =>
      destinationLookup(
        [...mesh.destinations.entries()].map(([, destination]) => destination).filter((destination) => destination.mesh === of),
      ),
    adminCertificate: () => undefined,
    onProblem: (problem) => problems.push(problem),
  })
  for (const [, assignment] of mesh.loadAssignments.entries()) builder.setLoadAssignment(assignment)
  for (const [, assignment] of mesh.ingressAssignments.entries()) builder.setIngressAssignment(assignment)
  for (const [, trust] of mesh.trust.entries()) builder.setTrust(trust)
  return { builder, problems }
}

function allResources(registry: Registry, { store }: OfflineMesh): readonly JsonObject[] {
  return registry.all.flatMap((kind) => store.list(kind.type).map((resource) => encodeRest(kind, resource)))
}
