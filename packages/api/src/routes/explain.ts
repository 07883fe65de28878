// Why a dataplane is configured as it is. A zone answers for its own dataplanes from its running facts; a global for every zone, from a view of
// that zone computed when asked.
import {
  explainDataplane,
  type ExplainSight,
  type Perspective,
  type PerspectiveOf,
  type PolicySync,
  type RejectedPolicy,
  zonePerspectives,
} from '@weft/inspect'
import { displayName, kriText, labelKeys, nameKey, type Resource } from '@weft/resources'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiReply, type ApiRequest, type ApiRoute, get } from '../api-route.ts'
import { badRequest, notFound, Problem } from '../problem.ts'
import { requireMesh } from '../write-resource.ts'

const title = 'Could not retrieve Dataplane'

export function explainRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  const { store, registry, mesh, rejections } = deps
  if (!mesh) return []
  const views: PerspectiveOf = deps.controlPlane.mode === 'global' ? zonePerspectives({ store, registry }) : async () => undefined
  const perspectiveOf: PerspectiveOf = async (zone, of) => {
    const found = await views(zone, of)
    return found && { zone, source: { ...found.source, sync: await syncWith(deps, zone) } }
  }
  const hereOf = async (resource: Resource): Promise<Perspective> => {
    const { mode, zone } = deps.controlPlane
    if (mode === 'zone') {
      const refused = (await rejections?.of(resource)) ?? []
      const source = { store, registry, mesh, sync: await syncWith(deps, 'global') }
      return { zone, source: { ...source, rejections: (proxyKey) => (proxyKey === nameKey(resource) ? refused : []) } }
    }
    const owner = resource.labels[labelKeys.zone] ?? ''
    const found = await perspectiveOf(owner, resource.mesh)
    if (!found)
      throw new Problem(400, title, { detail: `the dataplane is of zone ${JSON.stringify(owner)}, which this control plane does not know` })
    return found
  }
  return [
    get('/meshes/:mesh/dataplanes/:name/_explain', async (request): Promise<ApiReply> => {
      const resource = dataplaneNamed(deps, request)
      const sight: ExplainSight = { here: await hereOf(resource), perspectiveOf }
      const explained = await explainDataplane(resource, questionOf(deps, request), sight)
      if (!explained) throw new Problem(503, 'Service unavailable', { detail: 'the facts of this dataplane are not there yet' })
      return { json: explained }
    }),
    get('/_weft/rejections', async () => ({ json: { items: rejections ? rejectedPolicies(deps, await rejections.all()) : [] } })),
  ]
}

/** What sync holds back: towards a zone, or of what global sends here. */
async function syncWith({ sync, store }: ApiServerDeps, peer: string): Promise<PolicySync> {
  const side = peer === 'global' ? 'here' : 'there'
  const progress = sync && 'zones' in sync ? (await sync.zones()).find(({ zone }) => zone === peer) : undefined
  const accepted = progress?.sending?.cursor?.accepted
  const refusals = ((await sync?.refusals?.()) ?? []).filter((each) => each.peer === peer && each.refused === side)
  return {
    refused: (type, mesh) => refusals.filter((each) => each.type === type && each.mesh === mesh),
    isOnItsWay: (key) => {
      const policy = accepted === undefined ? undefined : store.get(key)
      // what the zone wrote itself need not be sent to it
      return policy !== undefined && accepted !== undefined && ownerOf(policy) !== peer && policy.version > accepted
    },
  }
}

function ownerOf({ labels }: Resource): string | undefined {
  return labels[labelKeys.origin] === 'zone' ? labels[labelKeys.zone] : undefined
}

/** Every policy that some Envoy refused, by policy, with the proxies that go on without it. */
function rejectedPolicies(
  { store, registry }: ApiServerDeps,
  rejections: ReadonlyMap<string, readonly RejectedPolicy[]>,
): readonly object[] {
  const byPolicy = new Map<
    string,
    { readonly type: string; readonly mesh: string; readonly name: string; readonly kri: string; readonly proxies: object[] }
  >()
  for (const dataplane of store.list('Dataplane')) {
    for (const { policy, message, resources, hasEarlier } of rejections.get(nameKey(dataplane)) ?? []) {
      const { type, mesh, name } = policy
      const key = `${type}/${mesh}/${name}`
      const short = registry.get(type)?.short ?? ''
      const entry = byPolicy.get(key) ?? { type, mesh, name, kri: kriText(short, policy), proxies: [] }
      entry.proxies.push({ name: dataplane.name, message, resources, runs: hasEarlier ? 'last accepted version' : 'nothing of it' })
      byPolicy.set(key, entry)
    }
  }
  return [...byPolicy.values()]
}

/** By stored name or by the name it has at home; `at` tells zones apart. */
function dataplaneNamed({ store, ...deps }: ApiServerDeps, request: ApiRequest): Resource {
  const [mesh, name] = [request.param('mesh'), request.param('name')]
  requireMesh({ ...deps, store }, mesh)
  const at = request.query.get('at')
  const isThere = (resource: Resource): boolean => at === null || at === '' || resource.labels[labelKeys.zone] === at
  const direct = store.get({ type: 'Dataplane', mesh, name })
  if (direct && isThere(direct)) return direct
  const found = store.list('Dataplane', mesh).filter((resource) => displayName(resource) === name && isThere(resource))
  const [first, second] = found
  if (!first) throw notFound(title)
  if (second) {
    const zones = found.map((resource) => resource.labels[labelKeys.zone] ?? '').join(', ')
    throw badRequest(`several zones have a dataplane ${JSON.stringify(name)} (${zones}): say which with 'at'`)
  }
  return first
}

function questionOf({ registry }: ApiServerDeps, request: ApiRequest) {
  const policy = request.query.get('policy') ?? ''
  const to = request.query.get('to') ?? ''
  const kind = policy === '' ? undefined : registry.byCliName(policy)
  if (policy !== '' && !kind?.policy) throw badRequest(`${JSON.stringify(policy)} is no policy type`)
  return { ...(kind ? { kind } : {}), ...(to === '' ? {} : { to }) }
}
