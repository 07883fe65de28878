// A mesh in a few lines for tests: documents in, facts out.
import { defaultMeshSettings } from '@weft/mesh'
import { policyDescriptors } from '@weft/policies'
import { coreDescriptors, createRegistry, parseYamlDocuments, type Resource } from '@weft/resources'
import { type Inspected, inspected } from './inspected.ts'
import { createOfflineMesh, type OfflineMesh } from './offline-mesh.ts'
import { readResourceDocuments } from './resource-documents.ts'
import { withReadyIdentity } from './zone-view.ts'

export const registry = createRegistry([...coreDescriptors, ...policyDescriptors])

/** Resources of a zone as it would store them. Throws when a document is refused: fixtures are valid. */
export function resourcesOf(yaml: string, zone = 'east') {
  const documents = parseYamlDocuments(yaml).map((document, index) => ({ source: `document ${index}`, value: document.value }))
  const { resources, refused } = readResourceDocuments(registry, documents, {
    mode: 'zone',
    zone,
    federated: true,
    environment: 'universal',
  })
  const [first] = refused
  if (first) throw new Error(`${first.source}: ${first.message} ${JSON.stringify(first.violations)}`)
  return resources.map(withReadyIdentity)
}

/** The facts of zone east over documents. */
export function offlineZone(yaml: string): Promise<OfflineMesh> {
  return createOfflineMesh({ registry, resources: resourcesOf(yaml), settings: { ...defaultMeshSettings, zone: 'east', federated: true } })
}

export function dataplaneOf({ store, source }: OfflineMesh, name: string): Inspected {
  const found = inspected(source, resourceOf({ store }, name))
  if (!found) throw new Error(`no facts of dataplane ${name}`)
  return found
}

export function resourceOf({ store }: Pick<OfflineMesh, 'store'>, name: string): Resource {
  const resource = store.get({ type: 'Dataplane', mesh: 'default', name })
  if (!resource) throw new Error(`no dataplane ${name}`)
  return resource
}
