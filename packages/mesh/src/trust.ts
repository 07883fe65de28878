// Trust of a mesh: every MeshTrust of the mesh, grouped by trust domain, each root once (contract/resources.md section 9).
import type { TrustFact } from '@weft/facts'
import type { Collection, Graph } from '@weft/graph'
import type { MeshTrustSpec, Resource } from '@weft/resources'

interface TrustDomain {
  readonly mesh: string
  readonly domain: string
  readonly certificates: readonly string[]
}

const certificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** By mesh name; absent without any usable MeshTrust. */
export function deriveTrust(graph: Graph, resources: Collection<Resource>): Collection<TrustFact> {
  const domains = graph.map({ name: 'trustDomains', from: resources }, (_, resource) => trustDomain(resource))
  const byMesh = graph.group('trustDomainsByMesh', domains, (domain) => [domain.mesh])
  return graph.map({ name: 'trust', from: byMesh }, (_, members, mesh): TrustFact | undefined => {
    const roots = new Map<string, Set<string>>()
    for (const { domain, certificates } of members) {
      const set = roots.get(domain) ?? new Set()
      roots.set(domain, set)
      for (const pem of certificates) set.add(pem)
    }
    const named = [...roots].filter(([, pems]) => pems.size > 0).sort(([a], [b]) => (a < b ? -1 : 1))
    return named.length === 0 ? undefined : { mesh, domains: named.map(([name, pems]) => ({ name, pem: [...pems].sort().join('\n') })) }
  })
}

/** The certificates of a bundle, each normalised so that equal ones compare equal. */
export function certificatesIn(pem: string): readonly string[] {
  return (pem.match(certificate) ?? []).map((block) =>
    block
      .split(/\s*\r?\n\s*/)
      .join('\n')
      .trim(),
  )
}

function trustDomain(resource: Resource): TrustDomain {
  // stored MeshTrusts passed the codec of their kind
  const spec = resource.spec as MeshTrustSpec
  return { mesh: resource.mesh, domain: spec.trustDomain, certificates: bundlesOf(spec) }
}

/** All certificates of a MeshTrust. */
export function bundlesOf(spec: MeshTrustSpec): readonly string[] {
  return (spec.caBundles ?? []).flatMap((bundle) => certificatesIn(bundle.pem?.value ?? ''))
}
