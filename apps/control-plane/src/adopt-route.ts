// `GET /_weft/adopt`: the global this zone belongs to, and the other one that answers in its place; with `?compare=true` also what adopting that
// one would do, or why that cannot be told. `POST /_weft/adopt` with `{"clusterId": ...}`:
// the zone belongs to that one from now on. For administrators.
import { type AccessRules, type ApiRequest, type ApiRoute, Problem, requireRight } from '@weft/api'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import { checkSchema } from '@weft/foundation/schema'
import type { Adoption, GlobalComparison } from '@weft/kds'

/** The session with global, here or with another replica of the zone. Errors: as those of `KdsClient`, replicas/... */
export interface AdoptionEnd {
  adoption(): Adoption | Promise<Adoption>
  compare(): Promise<GlobalComparison>
  adopt(clusterId: string, actor: string): Promise<void>
}

export interface AdoptRouteOptions {
  readonly sync: AdoptionEnd
  readonly access: AccessRules
}

const wanted = { type: 'object', properties: { clusterId: { type: 'string' } }, required: ['clusterId'] } as const

export function adoptRoute({ sync, access }: AdoptRouteOptions): ApiRoute {
  return {
    path: '/_weft/adopt',
    handlers: {
      GET: async ({ query, user }) => {
        const adoption = await sync.adoption()
        if (query.get('compare') !== 'true' || !adoption.otherGlobal) return { json: adoption }
        requireRight(access, 'adminResources', { user, action: 'comparing with another global' })
        try {
          return { json: { ...adoption, comparison: await sync.compare() } }
        } catch (error) {
          return { json: { ...adoption, comparisonProblem: messageOf(error) } }
        }
      },
      POST: async (request) => {
        const { user } = request
        requireRight(access, 'adminResources', { user, action: 'adopting another global' })
        try {
          await sync.adopt(clusterIdOf(request), `user:${user.name}`)
        } catch (error) {
          if (!hasCode(error, 'kds/other-global')) throw error
          throw new Problem(409, 'Could not adopt another global', { detail: messageOf(error) })
        }
        return { json: await sync.adoption() }
      },
    },
  }
}

function clusterIdOf({ body }: ApiRequest): string {
  let given: unknown
  try {
    given = JSON.parse(body?.toString('utf8') ?? '')
  } catch (error) {
    throw new AppError('api/bad-request', 'the body is not JSON', { cause: error })
  }
  const { value, violations, unknown } = checkSchema(wanted, given)
  if (value === undefined || value.clusterId === '' || unknown.length > 0)
    throw new AppError('api/bad-request', `the body must have clusterId alone: ${violations[0]?.message ?? unknown.join(', ')}`)
  return value.clusterId
}
