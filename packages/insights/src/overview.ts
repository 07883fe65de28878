// Overviews: a resource and its insight in one body (contract/rest-cli-gui.md sections 6.3, 6.4). Derived on read, never stored.
import type { JsonObject } from '@weft/foundation/json'
import type { Resource } from '@weft/resources'
import { objectOf } from './json.ts'

/** Body of a kind's overview below the usual meta fields. `item`: a single one, which shows an empty insight when there is none. */
export function overviewSpec(resource: Resource, insight: Resource | undefined, form: 'item' | 'list'): JsonObject {
  const field = `${resource.type.charAt(0).toLowerCase()}${resource.type.slice(1)}`
  return {
    [field]: objectOf(resource.spec),
    ...(insight ? { [`${field}Insight`]: objectOf(insight.spec) } : form === 'item' ? { [`${field}Insight`]: {} } : {}),
  }
}
