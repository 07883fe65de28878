// What sync holds back, and deciding about it. `GET /_weft/quarantine`: resources that one end cannot accept. `GET /_weft/held`: deletions that
// wait for someone's word; `POST /_weft/held/approve` deletes them after all, `POST /_weft/held/reject` keeps them. Deciding is for
// administrators.
import { type AccessRules, type ApiReply, type ApiRequest, type ApiRoute, requireRight } from '@weft/api'
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { checkSchema } from '@weft/foundation/schema'
import type { HeldResources, HeldSelection, SyncRefusal } from '@weft/kds'

/** Either end of sync. */
export type SyncEnd = {
  refusals(): readonly SyncRefusal[] | Promise<readonly SyncRefusal[]>
  held(): readonly HeldResources[] | Promise<readonly HeldResources[]>
  approveRemoval(which: HeldSelection): Promise<number>
  rejectRemoval(which: HeldSelection): Promise<number>
}

export interface SyncRepairOptions {
  readonly sync: SyncEnd
  readonly access: AccessRules
  readonly log: Logger
}

const text = { type: 'string' } as const
const selection = { type: 'object', properties: { origin: text, type: text, mesh: text, name: text } } as const

export function syncRepairRoutes({ sync, access, log }: SyncRepairOptions): readonly ApiRoute[] {
  const decide = (verb: 'approve' | 'reject', work: (which: HeldSelection) => Promise<number>): ApiRoute => ({
    path: `/_weft/held/${verb}`,
    handlers: {
      POST: async (request) => {
        const { user } = request
        requireRight(access, 'adminResources', { user, action: 'deletions that sync holds' })
        const which = selectionOf(request)
        const count = await work(which)
        log.warn({ component: 'kds', user: user.name, count, ...which }, `held deletions: ${verb}`)
        return { json: { count } }
      },
    },
  })
  return [
    read('/_weft/quarantine', async ({ query }) => {
      const items = (await sync.refusals()).filter((item) => fits(query, { ...item }))
      return items
    }),
    read('/_weft/held', async ({ query }) => {
      const held = await sync.held()
      const items = held
        .flatMap(({ origin, reason, state, since, keys }) => keys.map((key) => ({ origin, ...key, reason, state, since })))
        .filter((item) => fits(query, item))
      return items
    }),
    decide('approve', (which) => sync.approveRemoval(which)),
    decide('reject', (which) => sync.rejectRemoval(which)),
  ]
}

function read(path: string, items: (request: ApiRequest) => Promise<readonly unknown[]>): ApiRoute {
  const handler = async (request: ApiRequest): Promise<ApiReply> => {
    const found = await items(request)
    return { json: { total: found.length, items: found } }
  }
  return { path, handlers: { GET: handler } }
}

const filters = ['peer', 'origin', 'type', 'mesh', 'name'] as const

function fits(query: URLSearchParams, item: Readonly<Record<string, unknown>>): boolean {
  return filters.every((key) => !query.has(key) || item[key] === query.get(key))
}

function selectionOf({ body }: ApiRequest): HeldSelection {
  let given: unknown
  try {
    given = body === undefined || body.length === 0 ? {} : JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new AppError('api/bad-request', 'the body is not JSON', { cause: error })
  }
  // a misspelt field would select everything
  const { value, violations, unknown } = checkSchema(selection, given)
  if (value === undefined || unknown.length > 0)
    throw new AppError('api/bad-request', `the body may have origin, type, mesh and name: ${violations[0]?.message ?? unknown.join(', ')}`)
  return value
}
