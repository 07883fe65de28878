// How answers name resources (contract/rest-cli-gui.md section 6.1).
import type { JsonObject } from '@weft/foundation/json'
import { kriText, type Registry, type Resource } from '@weft/resources'

/** The short form: type, mesh, name and labels. */
export function metaOf({ type, mesh, name, labels }: Resource): JsonObject {
  return { type, mesh, name, labels }
}

/** The identifier of a resource; '' for kinds without a short name. */
export function kriOfResource(registry: Registry, resource: Resource): string {
  const short = registry.get(resource.type)?.short
  return short === undefined ? '' : kriText(short, resource)
}
