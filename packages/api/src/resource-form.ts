// What REST adds to the bodies of resources: overviews, short forms, and fields that clients of earlier releases look for
// (contract/rest-cli-gui.md sections 6.1 and 14).
import { encodeRest, encodeRestMeta, type JsonBody, type Resource, type ResourceDescriptor } from '@weft/resources'

/** The body of one resource. */
export function itemBody(kind: ResourceDescriptor, resource: Resource): JsonBody {
  return { ...encodeRest(kind, resource), ...additions(kind, resource) }
}

/** The body of an overview: meta fields under the overview's type, then `fields`. */
export function overviewBody(kind: ResourceDescriptor, resource: Resource, fields: JsonBody): JsonBody {
  return { ...encodeRestMeta(kind, resource, kind.overview?.type), ...fields }
}

/** The short form used in lists of what is affected. */
export function metaBody({ type, mesh, name, labels }: Resource): JsonBody {
  return { type, mesh, name, labels }
}

/** Fields that clients of earlier releases look for (contract/rest-cli-gui.md section 14, items 2 and 5). */
function additions(kind: ResourceDescriptor, { spec }: Resource): JsonBody {
  if (kind.type === 'Mesh') return { meshServices: { mode: 'Exclusive' } }
  if (kind.type !== 'MeshInsight' || typeof spec !== 'object' || spec === null || !('resources' in spec)) return {}
  return { policies: spec.resources }
}
