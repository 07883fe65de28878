// Overviews: a resource together with its insight (contract/rest-cli-gui.md sections 5, 6.3, 6.4).
import type { JsonObject } from '@weft/foundation/json'
import { overviewSpec } from '@weft/insights'
import type { Resource, ResourceDescriptor } from '@weft/resources'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiRequest, type ApiRoute, get, type Handler } from '../api-route.ts'
import { pageOf } from '../paging.ts'
import { notFound } from '../problem.ts'
import { overviewBody } from '../resource-form.ts'
import { requireMesh } from '../write-resource.ts'
import { listTitle, selectResources } from './resources.ts'

/** Kinds whose overviews are served; a MeshInsight is a list of its own. */
const overviewTypes = ['Zone', 'Dataplane']

export function overviewRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  return overviewTypes.flatMap((type) => {
    const kind = deps.registry.get(type)
    return kind?.rest && kind.overview ? routesOf(deps, kind, kind.rest.path) : []
  })
}

function routesOf(deps: ApiServerDeps, kind: ResourceDescriptor, path: string): readonly ApiRoute[] {
  const list =
    (template: string): Handler =>
    (request) => {
      const mesh = template.includes('{mesh}') ? request.param('mesh') : undefined
      const selected = selectResources(deps, kind, {
        request,
        template,
        ...(kind.scope === 'Global' ? { mesh: '' } : mesh === undefined ? {} : { mesh }),
      })
      const page = pageOf(selected, request, listTitle)
      return {
        json: { total: page.total, items: page.items.map((resource) => body(deps, kind, { resource, form: 'list' })), next: page.next },
      }
    }
  const item: Handler = (request: ApiRequest) => {
    const mesh = kind.scope === 'Mesh' ? request.param('mesh') : ''
    if (kind.scope === 'Mesh') requireMesh(deps, mesh)
    const resource = deps.store.get({ type: kind.type, mesh, name: request.param('name') })
    if (!resource) throw notFound('Could not retrieve a resource')
    return { json: body(deps, kind, { resource, form: 'item' }) }
  }
  const inMesh = kind.scope === 'Mesh' ? '/meshes/:mesh' : ''
  const template = kind.scope === 'Mesh' ? '/meshes/{mesh}' : ''
  return [
    get(`${inMesh}/${path}/_overview`, list(`${template}/${path}/_overview`)),
    get(`${inMesh}/${path}+insights`, list(`${template}/${path}+insights`)),
    get(`${inMesh}/${path}/:name/_overview`, item),
    get(`${inMesh}/${path}+insights/:name`, item),
    ...(kind.scope === 'Mesh'
      ? [get(`/${path}/_overview`, list(`/${path}/_overview`)), get(`/${path}+insights`, list(`/${path}+insights`))]
      : []),
  ]
}

function body(
  deps: ApiServerDeps,
  kind: ResourceDescriptor,
  shown: { readonly resource: Resource; readonly form: 'item' | 'list' },
): JsonObject {
  const { resource, form } = shown
  const type = kind.overview?.insight ?? ''
  const insight = deps.store.get({ type, mesh: resource.mesh, name: resource.name })
  return overviewBody(kind, resource, { ...overviewSpec(resource, insight, form), ...livenessOf(deps, resource) })
}

/** What stock clients skip: how the zone is by what was heard of it, which its subscriptions only tell as open or ended. */
function livenessOf({ sync }: ApiServerDeps, { type, name }: Resource): JsonObject {
  return type === 'Zone' && sync && 'liveness' in sync ? { liveness: sync.liveness(name) } : {}
}
