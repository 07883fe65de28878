// `GET /_weft/changes?limit=N`: the newest changes with how far each has come, at global in every zone, at a zone with its own proxies; and how
// far each zone is with every type. `type`, `mesh` and `name` select. Kinds that only administrators read are shown to them alone.
import { type AccessRules, type ApiRequest, type ApiRoute, badRequest, hasRight } from '@weft/api'
import type { ChangeReport, ChangeSelection } from '@weft/kds'
import type { Registry } from '@weft/resources'

export interface ChangeRoutesOptions {
  readonly registry: Registry
  readonly access: AccessRules
  report(selection: ChangeSelection): Promise<ChangeReport>
}

const defaultLimit = 100
const maxLimit = 1_000
const filters = ['type', 'mesh', 'name'] as const

export function changeRoutes({ registry, access, report }: ChangeRoutesOptions): readonly ApiRoute[] {
  const adminOnly = registry.all.filter(({ rest }) => rest?.adminOnly === true).map(({ type }) => type)
  const handler = async ({ query, user }: ApiRequest): Promise<{ readonly json: ChangeReport }> => {
    const without = hasRight(access, 'adminResources', user) ? [] : adminOnly
    const filter = Object.fromEntries(filters.flatMap((key) => (query.has(key) ? [[key, query.get(key) ?? '']] : [])))
    const { zones, ...rest } = await report({ limit: limitOf(query.get('limit')), ...filter, without })
    const shown = zones.map(({ zone, types }) => ({ zone, types: types.filter(({ type }) => !without.includes(type)) }))
    return { json: { ...rest, zones: shown } }
  }
  return [{ path: '/_weft/changes', handlers: { GET: handler } }]
}

function limitOf(text: string | null): number {
  if (text === null) return defaultLimit
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > maxLimit) throw badRequest(`limit must be a number from 1 to ${maxLimit}`)
  return limit
}
