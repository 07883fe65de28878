// What REST adds to the bodies of resources: overviews, short forms, and fields that clients of earlier releases look for
// (contract/rest-cli-gui.md sections 6.1 and 14).
import { field, type JsonObject } from '@weft/foundation/json'
import { encodeRest, encodeRestMeta, type Resource, type ResourceDescriptor } from '@weft/resources'

/** The body of one resource. */
export function itemBody(kind: ResourceDescriptor, resource: Resource): JsonObject {
  return { ...encodeRest(kind, resource), ...additions(kind, resource) }
}

/** The body of an overview: meta fields under the overview's type, then `fields`. */
export function overviewBody(kind: ResourceDescriptor, resource: Resource, fields: JsonObject): JsonObject {
  return { ...encodeRestMeta(kind, resource, kind.overview?.type), ...fields }
}

/** The short form used in lists of what is affected. */
export function metaBody({ type, mesh, name, labels }: Resource): JsonObject {
  return { type, mesh, name, labels }
}

/** Fields that clients of earlier releases look for (contract/rest-cli-gui.md section 14, items 2 and 5). */
function additions(kind: ResourceDescriptor, { spec }: Resource): JsonObject {
  if (kind.type === 'Mesh') return { meshServices: { mode: 'Exclusive' } }
  const resources = kind.type === 'MeshInsight' ? field(spec, 'resources') : undefined
  return resources === undefined ? {} : { policies: resources }
}
