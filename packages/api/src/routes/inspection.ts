// What policies make of a dataplane, as it would be configured now (contract/rest-cli-gui.md sections 6.7 to 6.9). Works at global too, for every
// zone's dataplanes.
import {
  dataplaneLayout,
  dataplaneRules,
  destinationTarget,
  inboundPolicies,
  type Inspected,
  inspected,
  outboundPolicies,
  outboundRoutes,
  proxyPolicies,
  routePolicies,
} from '@weft/inspect'
import type { OutboundTarget } from '@weft/policy'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiReply, type ApiRequest, type ApiRoute, get } from '../api-route.ts'
import { kriParameter } from '../kri-parameter.ts'
import { Problem } from '../problem.ts'
import { dataplaneOf } from './proxies.ts'
import { findByKri } from './resources.ts'

const base = '/meshes/:mesh/dataplanes/:name'
const title = 'Could not retrieve Dataplane'

export function inspectionRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  const about = (path: string, answer: (dataplane: Inspected, request: ApiRequest) => unknown): ApiRoute =>
    get(`${base}/${path}`, (request): ApiReply => ({ json: answer(inspectedOf(deps, request), request) }))
  return [
    about('_rules', dataplaneRules),
    about('_policies', proxyPolicies),
    about('_layout', dataplaneLayout),
    about('_inbounds/:inbound/_policies', (dataplane, request) => {
      const { kri } = kriParameter(deps.registry, request.param('inbound'))
      return inboundPolicies(dataplane, kri.section) ?? absent('inbound', request.param('inbound'))
    }),
    about('_outbounds/:outbound/_policies', (dataplane, request) => outboundPolicies(dataplane, outboundOf(deps, dataplane, request))),
    about('_outbounds/:outbound/_routes', (dataplane, request) => outboundRoutes(dataplane, outboundOf(deps, dataplane, request))),
    about('_outbounds/:outbound/_routes/:route/_policies', (dataplane, request) => {
      outboundOf(deps, dataplane, request)
      const { kri, kind } = kriParameter(deps.registry, request.param('route'))
      const route = findByKri(deps, kind, kri)
      return route ? routePolicies(dataplane, route) : absent('route', request.param('route'))
    }),
  ]
}

function inspectedOf(deps: ApiServerDeps, request: ApiRequest): Inspected {
  const resource = dataplaneOf(deps, request, title)
  const { mesh, store, registry } = deps
  const found = mesh && inspected({ mesh, store, registry }, resource)
  if (!found) throw new Problem(503, 'Service unavailable', { detail: 'the facts of this dataplane are not there yet' })
  return found
}

function outboundOf(deps: ApiServerDeps, dataplane: Inspected, request: ApiRequest): OutboundTarget {
  const { kri } = kriParameter(deps.registry, request.param('outbound'))
  return destinationTarget(dataplane, kri) ?? absent('outbound', request.param('outbound'))
}

function absent(what: string, kri: string): never {
  throw new Problem(404, `Could not retrieve ${what}`, { detail: `the mesh has no such ${what}: ${kri}` })
}
