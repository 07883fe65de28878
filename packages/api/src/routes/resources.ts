// CRUD of every kind in the registry (contract/rest-cli-gui.md section 3).
import type { JsonObject } from '@weft/foundation/json'
import { displayName, encodeKubernetes, hashedName, type Kri, kriOf, type Resource, type ResourceDescriptor } from '@weft/resources'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiReply, type ApiRequest, type ApiRoute, get } from '../api-route.ts'
import { dataplaneFilter, listFilter, select } from '../filters.ts'
import { kriParameter } from '../kri-parameter.ts'
import { pageOf } from '../paging.ts'
import { badRequest, notFound, rejectInvalid } from '../problem.ts'
import { itemBody } from '../resource-form.ts'
import { deleteResource, keyOf, putResource, requireKindAccess, requireMesh } from '../write-resource.ts'

const itemTitle = 'Could not retrieve a resource'
export const listTitle = 'Could not retrieve resources'
const systemNamespace = 'kuma-system'

export function resourceRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  return deps.registry.all.flatMap((kind) => kindRoutes(deps, kind))
}

function kindRoutes(deps: ApiServerDeps, kind: ResourceDescriptor): readonly ApiRoute[] {
  const { rest } = kind
  if (!rest) return []
  const isMeshScoped = kind.scope === 'Mesh'
  return [rest.path, ...(rest.aliases ?? [])].flatMap((path): ApiRoute[] => {
    const base = isMeshScoped ? `/meshes/:mesh/${path}` : `/${path}`
    const template = isMeshScoped ? `/meshes/{mesh}/${path}` : `/${path}`
    const list = get(base, (request) => listReply(deps, kind, { request, template, mesh: isMeshScoped ? request.param('mesh') : '' }))
    const item: ApiRoute = {
      path: `${base}/:name`,
      handlers: {
        GET: (request) => itemReply(deps, kind, request),
        PUT: (request) => putResource(deps, kind, request),
        DELETE: (request) => deleteResource(deps, kind, request),
      },
    }
    return isMeshScoped
      ? [list, item, get(`/${path}`, (request) => listReply(deps, kind, { request, template: `/${path}` }))]
      : [list, item]
  })
}

/** What a list is taken from. `mesh` absent: all meshes. */
export interface ListScene {
  readonly request: ApiRequest
  readonly template: string
  readonly mesh?: string
}

/** The resources a list request selects, before paging. */
export function selectResources(deps: ApiServerDeps, kind: ResourceDescriptor, scene: ListScene): readonly Resource[] {
  const { request, template, mesh } = scene
  if (mesh !== undefined && mesh !== '') requireMesh(deps, mesh)
  requireKindAccess(deps, kind, request)
  const keep = listFilter(request.query, template, listTitle)
  const keepDataplane = kind.type === 'Dataplane' ? dataplaneFilter(request.query, template, listTitle) : undefined
  return select(deps.store.list(kind.type, mesh), [keep, keepDataplane])
}

function listReply(deps: ApiServerDeps, kind: ResourceDescriptor, scene: ListScene): ApiReply {
  const page = pageOf(selectResources(deps, kind, scene), scene.request, listTitle)
  return { json: { total: page.total, items: page.items.map((resource) => itemBody(kind, resource)), next: page.next } }
}

function itemReply(deps: ApiServerDeps, kind: ResourceDescriptor, request: ApiRequest): ApiReply {
  const key = keyOf(kind, request)
  if (kind.scope === 'Mesh') requireMesh(deps, key.mesh)
  requireKindAccess(deps, kind, request)
  const resource = deps.store.get(key)
  if (!resource) throw notFound(itemTitle)
  return { json: formatted(kind, resource, request) }
}

/** The body in the format the query asks for. */
export function formatted(kind: ResourceDescriptor, resource: Resource, request: ApiRequest): JsonObject {
  const format = request.query.get('format') ?? ''
  if (!['', 'universal', 'k8s', 'kubernetes'].includes(format)) {
    rejectInvalid(itemTitle, [{ field: 'format', message: 'must be one of universal, k8s, kubernetes' }])
  }
  if (format === '' || format === 'universal') return itemBody(kind, resource)
  return encodeKubernetes(kind, resource, request.query.get('namespace') || systemNamespace)
}

/** `GET /_kri/{kri}`: a resource by its identifier (contract/rest-cli-gui.md section 6.10). */
export function kriRoute(deps: ApiServerDeps): ApiRoute {
  return get('/_kri/:kri', (request) => {
    const { kri, kind } = kriParameter(deps.registry, request.param('kri'))
    if (!kind.rest) throw badRequest(`unknown short name of resource type: ${JSON.stringify(kri.short)}`)
    requireKindAccess(deps, kind, request)
    const resource = findByKri(deps, kind, kri)
    if (!resource) throw notFound(itemTitle)
    return { json: formatted(kind, resource, request) }
  })
}

/** By the name it has at home, then by the name it has as a copy, then by what its labels say: copies from global have no zone in theirs. */
export function findByKri(deps: ApiServerDeps, kind: ResourceDescriptor, kri: Kri): Resource | undefined {
  const mesh = kind.scope === 'Mesh' ? kri.mesh : ''
  const isHere = kri.zone === '' || kri.zone === deps.controlPlane.zone
  const plain = kri.namespace === '' ? kri.name : `${kri.name}.${kri.namespace}`
  const names = isHere ? [kri.name, plain] : [hashedName(kri.name, [mesh, kri.name, kri.zone, kri.namespace])]
  for (const name of names) {
    const found = deps.store.get({ type: kind.type, mesh, name })
    if (found && displayName(found) === kri.name) return found
  }
  return deps.store.list(kind.type, mesh).find((resource) => {
    const own = kriOf(kri.short, resource)
    return own.name === kri.name && own.zone === kri.zone && own.namespace === kri.namespace
  })
}
