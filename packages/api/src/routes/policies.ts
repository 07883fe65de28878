// Which proxies a policy selects, and which policies select a proxy (contract/rest-cli-gui.md section 5).
import { field, isObject, listField } from '@weft/foundation/json'
import { matchPolicies, policySelects, type ProxyView } from '@weft/policy'
import { displayName, type Resource, type ResourceDescriptor } from '@weft/resources'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiRequest, type ApiRoute, get } from '../api-route.ts'
import { listFilter, select } from '../filters.ts'
import { pageOf } from '../paging.ts'
import { notFound } from '../problem.ts'
import { metaBody } from '../resource-form.ts'
import { requireMesh } from '../write-resource.ts'
import { dataplaneOf } from './proxies.ts'

const title = 'Could not retrieve resources'

export function policyRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  return [
    ...deps.registry.policies.flatMap((kind) => (kind.rest ? kindRoutes(deps, kind, `/meshes/:mesh/${kind.rest.path}/:name`) : [])),
    get('/meshes/:mesh/dataplanes/:name/policies', (request) => ({
      json: matchedPolicies(deps, dataplaneOf(deps, request, 'Could not retrieve Dataplane')),
    })),
  ]
}

function kindRoutes(deps: ApiServerDeps, kind: ResourceDescriptor, base: string): readonly ApiRoute[] {
  const template = base.replace(/:(\w+)/g, '{$1}')
  const selected = (request: ApiRequest): readonly Resource[] => {
    requireMesh(deps, request.param('mesh'))
    const policy = deps.store.get({ type: kind.type, mesh: request.param('mesh'), name: request.param('name') })
    if (!policy) throw notFound('Could not retrieve policy')
    const keep = listFilter(request.query, `${template}/_resources/dataplanes`, title)
    return select(deps.store.list('Dataplane', policy.mesh), [
      keep,
      (dataplane) => policySelects(policy, viewOf(dataplane), { shadow: true }),
    ])
  }
  const list = (request: ApiRequest) => {
    const page = pageOf(selected(request), request, title)
    return { json: { total: page.total, items: page.items.map(metaBody), ...(page.next === null ? {} : { next: page.next }) } }
  }
  return [
    get(`${base}/_resources/dataplanes`, list),
    // clients ask with a dash (contract/rest-cli-gui.md section 14, item 3)
    get(`${base}/-resources/dataplanes`, list),
    get(`${base}/dataplanes`, (request) => {
      const items = selected(request).map(({ mesh, name }) => ({
        kind: 'SidecarDataplane',
        dataplane: { mesh, name },
        attachments: [{ type: 'dataplane', name, service: '' }],
      }))
      return { json: { total: items.length, items } }
    }),
  ]
}

/** The older form of the question: one item for the whole proxy. */
function matchedPolicies(deps: ApiServerDeps, dataplane: Resource): Readonly<Record<string, unknown>> {
  const view = viewOf(dataplane)
  const matched = deps.registry.policies.flatMap((kind): [string, unknown][] => {
    const found = matchPolicies(deps.store.list(kind.type, dataplane.mesh), view)
    return found.length > 0 ? [[kind.type, found.map(metaBody)]] : []
  })
  const items = matched.length > 0 ? [{ type: 'dataplane', name: dataplane.name, matchedPolicies: Object.fromEntries(matched) }] : []
  return { kind: 'SidecarDataplane', total: items.length, items }
}

/** What selection looks at, straight from the Dataplane. */
function viewOf(dataplane: Resource): ProxyView {
  const networking = field(dataplane.spec, 'networking')
  const sections = [...listField(networking, 'inbound'), ...listField(networking, 'listeners')].flatMap((listener) => {
    const [name, port] = [field(listener, 'name'), field(listener, 'port')]
    return typeof name === 'string' && name !== '' ? [name] : typeof port === 'number' ? [String(port)] : []
  })
  return { labels: dataplane.labels, displayName: displayName(dataplane), sections, gateway: isObject(field(networking, 'gateway')) }
}
