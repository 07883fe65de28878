// Tokens for proxies, zones and users (contract/rest-cli-gui.md section 7.3).
import type { Violation } from '@weft/foundation/errors'
import { checkSchema } from '@weft/foundation/schema'
import { parseDuration } from '@weft/foundation/time'
import { requireRight } from '../access.ts'
import type { TokenIssuer } from '@weft/identity'
import type { AccessRight, ApiServerDeps } from '../api-deps.ts'
import type { ApiReply, ApiRequest, ApiRoute } from '../api-route.ts'
import { EmptyBadRequest, Problem, rejectInvalid, titled } from '../problem.ts'

const text = { type: 'string', default: '' } as const
const texts = { type: 'array', items: { type: 'string' }, default: [] } as const
const bodies = {
  dataplane: {
    type: 'object',
    properties: { name: text, mesh: text, tags: { type: 'map', values: texts, default: {} }, type: text, workload: text, validFor: text },
  },
  zone: { type: 'object', properties: { zone: text, scope: texts, validFor: text } },
  user: { type: 'object', properties: { name: text, groups: texts, validFor: text } },
} as const

const requestTitle = 'Invalid request'

/** The three issuing routes. */
export function tokenRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  const route = (path: string, right: AccessRight, issue: (tokens: TokenIssuer, request: ApiRequest) => Promise<string>): ApiRoute => ({
    path: `/tokens/${path}`,
    handlers: {
      POST: async (request): Promise<ApiReply> => {
        requireRight(deps.settings.access, right, { user: request.user, action: `the ${path} token generation` })
        const { tokens } = deps
        if (!tokens) throw new Problem(400, 'Could not issue a token', { detail: 'issuing tokens through this control plane is disabled' })
        return { text: await titled('Could not issue a token', () => issue(tokens, request)), contentType: 'text/plain' }
      },
    },
  })
  return [
    route('dataplane', 'generateDataplaneToken', (tokens, request) => {
      const { mesh, name, tags, type, workload, validFor } = bodyOf(bodies.dataplane, request)
      const violations = [...required('mesh', mesh), ...validForViolations(validFor)]
      if (type !== '' && type !== 'dataplane') violations.push({ field: 'type', message: 'must be "dataplane" or absent' })
      rejectInvalid(requestTitle, violations)
      return tokens.dataplane({ mesh, name, tags, type, workload, ...lifetime(validFor) })
    }),
    route('zone', 'generateZoneToken', (tokens, request) => {
      const { zone, scope, validFor } = bodyOf(bodies.zone, request)
      rejectInvalid(requestTitle, [...required('zone', zone), ...validForViolations(validFor)])
      return tokens.zone({ zone, scope, ...lifetime(validFor) })
    }),
    route('user', 'generateUserToken', (tokens, request) => {
      const { name, groups, validFor } = bodyOf(bodies.user, request)
      rejectInvalid(requestTitle, [...required('name', name), ...required('validFor', validFor), ...validForViolations(validFor)])
      return tokens.user({ name, groups, ...lifetime(validFor) })
    }),
  ]
}

/** The checked body; anything unreadable is answered with 400 and no body, as in the reference. */
function bodyOf<const S extends (typeof bodies)[keyof typeof bodies]>(
  schema: S,
  request: ApiRequest,
): ReturnType<typeof checkSchema<S>>['value'] & object {
  let value: unknown
  try {
    value = JSON.parse(request.body?.toString('utf8') ?? '')
  } catch {
    throw new EmptyBadRequest()
  }
  const checked = checkSchema(schema, dropNulls(value), { profile: 'json' }).value
  if (typeof checked !== 'object' || checked === null) throw new EmptyBadRequest()
  return checked
}

/** null stands for absent, as clients written in Go send it. */
function dropNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null))
}

function required(field: string, value: string): Violation[] {
  return value === '' ? [{ field, message: 'cannot be empty' }] : []
}

function validForViolations(validFor: string): readonly Violation[] {
  if (validFor === '') return []
  const ms = parseDuration(validFor)
  if (ms === undefined) return [{ field: 'validFor', message: `is invalid: time: invalid duration ${JSON.stringify(validFor)}` }]
  return ms <= 0 ? [{ field: 'validFor', message: 'must be greater than 0' }] : []
}

function lifetime(validFor: string): { readonly validForMs?: number } {
  return validFor === '' ? {} : { validForMs: parseDuration(validFor) ?? 0 }
}
