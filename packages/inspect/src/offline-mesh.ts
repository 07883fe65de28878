// The facts of a control plane over given resources, apart from any running one: for translations, previews and questions about another zone.
// The same graph as a running control plane's, over a store of its own that nobody else sees.
import type { ProxyMetadata } from '@weft/facts'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { createGraph, type Graph } from '@weft/graph'
import { createMesh, type MeshFacts, type MeshSettings } from '@weft/mesh'
import { nameKey, type Registry, type Resource } from '@weft/resources'
import { createMemoryStore, type Store } from '@weft/store'
import type { InspectionSource } from './inspected.ts'

export interface OfflineMeshOptions {
  readonly registry: Registry
  /** As a control plane would have stored them: checked, with their computed labels. */
  readonly resources: readonly Pick<Resource, 'type' | 'mesh' | 'name' | 'labels' | 'spec' | 'status'>[]
  /** Whose eyes to see with. Generators that are on write into the store of this mesh. */
  readonly settings: MeshSettings
  /** What the proxy of a dataplane tells when it connects; undefined leaves it unconnected. */
  readonly proxy?: (dataplane: Resource) => ProxyMetadata | undefined
}

export interface OfflineMesh extends AsyncDisposable {
  readonly store: Store
  readonly graph: Graph
  readonly mesh: MeshFacts
  readonly source: InspectionSource
}

/** Everything is computed, generated resources included, when this resolves. */
export async function createOfflineMesh({ registry, resources, settings, proxy }: OfflineMeshOptions): Promise<OfflineMesh> {
  const clock = systemClock
  const log = silentLogger
  const store = createMemoryStore({ clock, log })
  const graph = createGraph({ clock, log })
  const mesh = createMesh({ graph, store, registry, settings, clock, log })
  await store.transact(
    resources.map(({ type, mesh: of, name, labels, spec, status }) => ({
      op: 'put',
      resource: { type, mesh: of, name, labels, spec, ...(status === undefined ? {} : { status }) },
    })),
    { actor: 'offline', reason: 'offline', class: 'desired' },
  )
  mesh.start()
  if (proxy) connect(graph, mesh, { dataplanes: store.list('Dataplane'), proxy })
  await mesh.settled()
  return {
    store,
    graph,
    mesh,
    source: { registry, store, mesh },
    [Symbol.asyncDispose]: async () => {
      await mesh.stop()
      await store.close()
    },
  }
}

interface Connecting {
  readonly dataplanes: readonly Resource[]
  readonly proxy: (dataplane: Resource) => ProxyMetadata | undefined
}

function connect(graph: Graph, mesh: MeshFacts, { dataplanes, proxy }: Connecting): void {
  graph.transact('proxies connected', () => {
    for (const dataplane of dataplanes) {
      const metadata = proxy(dataplane)
      if (metadata) mesh.proxies.set(nameKey(dataplane), metadata)
    }
  })
}
