// `GET /_weft/trust`: which trust domains there are, whose they are and what became of them. At global `POST /_weft/trust/approvals` lets zones speak for
// a domain that several of them have, and `DELETE` with the same in its query takes it back. For administrators, as is everything about who may vouch for whom.
import { type AccessRules, type ApiReply, type ApiRequest, type ApiRoute, badRequest, Problem, requireRight } from '@weft/api'
import type { Logger } from '@weft/foundation/log'
import { fingerprintOf, parseCertificates } from '@weft/identity'
import { approveTrust, type MeshFacts, publishedName, revokeTrust, type TrustVerdict } from '@weft/mesh'
import { displayName, labelKeys, type MeshTrustSpec, type Resource } from '@weft/resources'
import type { Store, StoreOp } from '@weft/store'

export interface TrustRoutesOptions {
  readonly store: Store
  readonly mesh: Pick<MeshFacts, 'trustVerdicts'>
  readonly mode: 'global' | 'zone'
  readonly access: AccessRules
  readonly log: Logger
}

export function trustRoutes(options: TrustRoutesOptions): readonly ApiRoute[] {
  const { store, mesh, mode, access, log } = options
  const admit = ({ user }: ApiRequest): void => requireRight(access, 'adminResources', { user, action: 'the trust of this control plane' })
  const shown = (): readonly unknown[] => {
    const trusts = store.list('MeshTrust').map((trust) => ({ trust, verdict: mesh.trustVerdicts?.get(`${trust.mesh}/${trust.name}`) }))
    return trusts.map(({ trust, verdict }) => view(trust, verdict))
  }
  const decide = async (request: ApiRequest, write: (verdict: TrustVerdict, zone: Resource | undefined) => StoreOp): Promise<ApiReply> => {
    admit(request)
    const asked = approvalOf(request)
    const found = [...(mesh.trustVerdicts?.entries() ?? [])]
      .map(([, verdict]) => verdict)
      .filter(
        ({ mesh: of, trustDomain, zone }) =>
          of === asked.mesh && trustDomain === asked.trustDomain && (asked.zones?.includes(zone) ?? true),
      )
    const foreign = found.find(({ refusal }) => refusal === 'foreign-domain')
    if (foreign) throw badRequest(`zone ${foreign.zone} has no MeshIdentity with the trust domain ${asked.trustDomain}`)
    const unknown = asked.zones?.find((zone) => !found.some((verdict) => verdict.zone === zone))
    if (found.length === 0 || unknown !== undefined)
      throw new Problem(404, 'Could not find the trust', {
        detail: `no zone${unknown === undefined ? '' : ` ${unknown}`} has sent a MeshTrust of the domain ${asked.trustDomain} in mesh ${asked.mesh}`,
      })
    const byZone = new Map(found.map((verdict) => [verdict.zone, verdict]))
    await store.transact(
      [...byZone.values()].map((verdict) => write(verdict, store.get({ type: 'Zone', mesh: '', name: verdict.zone }))),
      { actor: `user:${request.user.name}`, reason: 'api', class: 'desired' },
    )
    log.info(
      { component: 'trust', user: request.user.name, mesh: asked.mesh, reason: request.method },
      'approval of a trust domain changed',
    )
    return { json: { mesh: asked.mesh, trustDomain: asked.trustDomain, zones: [...byZone.keys()].sort() } }
  }
  const list: ApiRoute = {
    path: '/_weft/trust',
    handlers: {
      GET: (request) => {
        admit(request)
        const items = shown()
        return { json: { mode, total: items.length, items } }
      },
    },
  }
  if (mode === 'zone') return [list]
  return [
    list,
    {
      path: '/_weft/trust/approvals',
      handlers: {
        POST: (request) =>
          decide(request, (verdict, zone) => {
            if (zone) return approveTrust(verdict, zone.creationTime)
            throw badRequest(`there is no zone ${verdict.zone}`)
          }),
        DELETE: (request) => decide(request, (verdict) => revokeTrust(verdict)),
      },
    },
  ]
}

function view(trust: Resource, verdict: TrustVerdict | undefined): unknown {
  // stored MeshTrusts passed the codec of their kind
  const spec = trust.spec as MeshTrustSpec
  return {
    mesh: trust.mesh,
    name: trust.name,
    displayName: displayName(trust),
    trustDomain: spec.trustDomain,
    origin: trust.labels[labelKeys.origin] ?? '',
    zone: trust.labels[labelKeys.zone] ?? '',
    ...(trust.labels[labelKeys.managedBy] ? { managedBy: trust.labels[labelKeys.managedBy] } : {}),
    roots: (spec.caBundles ?? []).flatMap((bundle) =>
      parseCertificates(bundle.pem?.value ?? '').map((certificate) => ({
        fingerprint: fingerprintOf(certificate),
        notAfter: new Date(certificate.validTo).toISOString(),
      })),
    ),
    ...(verdict
      ? {
          state: verdict.refusal ?? 'published',
          approved: verdict.isApproved,
          ...(verdict.refusal === undefined ? { publishedAs: publishedName(verdict) } : {}),
        }
      : {}),
  }
}

interface Asked {
  readonly mesh: string
  readonly trustDomain: string
  /** Undefined: all that have it. */
  readonly zones: readonly string[] | undefined
}

/** In the body of a POST, in the query of a DELETE. */
function approvalOf(request: ApiRequest): Asked {
  const { mesh, trustDomain, zones } = request.method === 'DELETE' ? fieldsOfQuery(request) : fieldsOfBody(request)
  if (typeof mesh !== 'string' || mesh === '') throw badRequest('mesh: must be set')
  if (typeof trustDomain !== 'string' || trustDomain === '') throw badRequest('trustDomain: must be set')
  if (zones !== undefined && !(Array.isArray(zones) && zones.length > 0 && zones.every((zone): zone is string => typeof zone === 'string')))
    throw badRequest('zones: must be a list of names')
  return { mesh, trustDomain, zones }
}

type Fields = Readonly<Record<'mesh' | 'trustDomain' | 'zones', unknown>>

function fieldsOfQuery({ query }: ApiRequest): Fields {
  return { mesh: query.get('mesh'), trustDomain: query.get('trustDomain'), zones: query.has('zone') ? query.getAll('zone') : undefined }
}

function fieldsOfBody({ body }: ApiRequest): Fields {
  let value: unknown
  try {
    value = JSON.parse(body?.toString('utf8') ?? '')
  } catch {
    throw badRequest('the body is not JSON')
  }
  const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {}
  return { mesh: fields['mesh'], trustDomain: fields['trustDomain'], zones: fields['zones'] }
}
