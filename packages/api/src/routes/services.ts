// Questions about one destination: the proxies behind it and its hostnames (contract/rest-cli-gui.md section 5).
import { field } from '@weft/foundation/json'
import { displayName, type Resource } from '@weft/resources'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiRequest, type ApiRoute, get } from '../api-route.ts'
import { destinationHostnames } from '../destination-hostnames.ts'
import { listFilter, matchesLabels, select } from '../filters.ts'
import { pageOf } from '../paging.ts'
import { notFound, Problem } from '../problem.ts'
import { metaBody } from '../resource-form.ts'
import { requireMesh } from '../write-resource.ts'

const title = 'Could not retrieve resources'

export function serviceRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  return [
    get('/meshes/:mesh/meshservices/:name/_dataplanes', (request) => {
      const service = destination(deps, request, 'MeshService')
      const keep = listFilter(request.query, '/meshes/{mesh}/meshservices/{name}/_dataplanes', title)
      const page = pageOf(select(deps.store.list('Dataplane', service.mesh), [keep, (found) => isBehind(found, service)]), request, title)
      return { json: { total: page.total, items: page.items.map(metaBody), ...(page.next === null ? {} : { next: page.next }) } }
    }),
    get('/meshes/:mesh/:kind/:name/_hostnames', (request) => {
      const kind = deps.registry.byPath(request.param('kind'))
      if (!kind?.destination) {
        const known = deps.registry.destinations.map(({ rest }) => rest?.path ?? '').join(', ')
        throw new Problem(400, `only available for ${known}`, {
          detail: `bad request: ${JSON.stringify(request.param('kind'))} has no hostnames`,
        })
      }
      const found = destination(deps, request, kind.type)
      const { mode, zone } = deps.controlPlane
      const items = destinationHostnames({ store: deps.store, registry: deps.registry, mode, zone }, found).map(({ hostname, zones }) => ({
        hostname,
        zones: zones.map((name) => ({ name })),
      }))
      // null for none, as the reference answers
      return { json: { total: items.length, items: items.length > 0 ? items : null } }
    }),
  ]
}

function destination(deps: ApiServerDeps, request: ApiRequest, type: string): Resource {
  requireMesh(deps, request.param('mesh'))
  const found = deps.store.get({ type, mesh: request.param('mesh'), name: request.param('name') })
  if (!found) throw notFound('Could not retrieve a resource')
  return found
}

/** True when the selector of a MeshService takes the Dataplane. */
function isBehind(dataplane: Resource, service: Resource): boolean {
  const selector = field(service.spec, 'selector')
  const ref = field(field(selector, 'dataplaneRef'), 'name')
  if (typeof ref === 'string') return dataplane.name === ref || displayName(dataplane) === ref
  const labels = field(field(selector, 'dataplaneLabels'), 'matchLabels')
  return typeof labels === 'object' && labels !== null && Object.keys(labels).length > 0 && matchesLabels({ ...labels }, dataplane)
}
