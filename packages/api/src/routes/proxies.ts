// Questions about one running proxy: its Envoy's state, and the configuration we compute for it (contract/rest-cli-gui.md section 5).
import type { Resource } from '@weft/resources'
import { requireRight } from '../access.ts'
import type { AccessRight, ApiServerDeps, EnvoyAdminKind, EnvoyAdminOptions } from '../api-deps.ts'
import { type ApiReply, type ApiRequest, type ApiRoute, get } from '../api-route.ts'
import { queryFlag } from '../query-flag.ts'
import { configDiff } from '../config-diff.ts'
import { adminProblem, badRequest, notFound, Problem, titled } from '../problem.ts'
import { spenderOf } from '../spender.ts'
import { requireMesh } from '../write-resource.ts'

const base = '/meshes/:mesh/dataplanes/:name'

export function proxyRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  return [
    get(`${base}/xds`, (request) =>
      envoyReply(deps, request, { kind: 'configDump', right: 'viewConfigDump', action: 'envoy config dump' }),
    ),
    get(`${base}/stats`, (request) => envoyReply(deps, request, { kind: 'stats', right: 'viewStats', action: 'envoy stats' })),
    get(`${base}/clusters`, (request) => envoyReply(deps, request, { kind: 'clusters', right: 'viewClusters', action: 'envoy clusters' })),
    get(`${base}/:other`, (request) => {
      requireMesh(deps, request.param('mesh'))
      throw notFound('Could not retrieve a resource')
    }),
    get(`${base}/_config`, (request) => configReply(deps, request)),
  ]
}

/** The Dataplane of the URL. */
export function dataplaneOf(deps: ApiServerDeps, request: ApiRequest, title: string): Resource {
  requireMesh(deps, request.param('mesh'))
  const found = deps.store.get({ type: 'Dataplane', mesh: request.param('mesh'), name: request.param('name') })
  if (!found) throw notFound(title)
  return found
}

interface Question {
  readonly kind: EnvoyAdminKind
  readonly right: AccessRight
  readonly action: string
}

async function envoyReply(deps: ApiServerDeps, request: ApiRequest, question: Question): Promise<ApiReply> {
  requireRight(deps.settings.access, question.right, { user: request.user, action: question.action })
  const dataplane = dataplaneOf(deps, request, 'Could not get dataplane resource')
  const options = optionsOf(request, question.kind)
  if (!deps.envoyAdmin) throw new Problem(400, 'Could not execute admin operation', { detail: 'this control plane cannot reach proxies' })
  await deps.budgets?.questions?.spend(spenderOf(request))
  try {
    const bytes = await deps.envoyAdmin.ask(question.kind, dataplane, options)
    return { bytes, contentType: question.kind === 'configDump' || options.format === 'json' ? 'application/json' : 'text/plain' }
  } catch (error) {
    throw adminProblem(error)
  }
}

function optionsOf(request: ApiRequest, kind: EnvoyAdminKind): EnvoyAdminOptions {
  if (kind === 'configDump') return { includeEds: queryFlag(request, 'include_eds', false) }
  const format = request.query.get('format') ?? ''
  if (format !== '' && format !== 'text' && format !== 'json') throw badRequest("unsupported value for query parameter 'format'")
  return { format: format === 'json' ? 'json' : 'text', ...(kind === 'stats' ? { usedOnly: queryFlag(request, 'usedonly', true) } : {}) }
}

async function configReply(deps: ApiServerDeps, request: ApiRequest): Promise<ApiReply> {
  const title = 'Failed to generate proxy configuration'
  const { proxyConfig, controlPlane } = deps
  if (controlPlane.mode === 'global' || !proxyConfig) {
    throw new Problem(405, 'Method not Allowed', {
      detail: 'the configuration of a proxy is computed by its zone: ask the zone control plane',
    })
  }
  const shadow = queryFlag(request, 'shadow', false)
  const includes = request.query.getAll('include').flatMap((value) => value.split(','))
  if (includes.some((value) => value !== 'diff')) throw badRequest("unsupported value for query parameter 'include'")
  const dataplane = dataplaneOf(deps, request, 'Could not retrieve Dataplane')
  return titled(title, async () => {
    const xds = await proxyConfig.config(dataplane, { shadow })
    if (!xds) throw notFound('Could not retrieve Dataplane')
    if (includes.length === 0) return { json: { xds } }
    const before = await proxyConfig.config(dataplane, { shadow: false })
    // a list in any case: a client tells "no difference" from "not asked for"
    return { json: { xds, diff: configDiff(before ?? {}, xds) } }
  })
}
