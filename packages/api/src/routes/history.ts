// Who changed what, what it was before, and taking it back: `/_weft/history`, `/_weft/audit`, `/_weft/backup`. For administrators.
import { field } from '@weft/foundation/json'
import { checkSchema } from '@weft/foundation/schema'
import { isJsonKind, type Registry, type ResourceKey } from '@weft/resources'
import type { History, HistoryBody, HistoryEntry } from '@weft/store'
import { requireRight } from '../access.ts'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiRequest, type ApiRoute, get } from '../api-route.ts'
import { configDiff } from '../config-diff.ts'
import { badRequest, notFound, Problem, titled } from '../problem.ts'
import { queryFlag } from '../query-flag.ts'
import { planRollback, type RollbackPlan, type RollbackTarget, targetOf, targetsOfMesh } from '../rollback.ts'

const maxEntries = 1000

const text = { type: 'string', default: '' } as const
const rollbackBody = {
  type: 'object',
  properties: { type: text, mesh: text, name: text, to: { type: 'string', default: '' }, dryRun: { type: 'boolean', default: false } },
} as const

export function historyRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  const { registry, settings, log } = deps
  const admitted = (request: ApiRequest): History => {
    requireRight(settings.access, 'adminResources', { user: request.user, action: 'the history' })
    if (deps.history) return deps.history
    throw new Problem(501, 'No history', { detail: 'the store of this control plane is in memory only and keeps no history' })
  }
  return [
    get('/_weft/history', async (request) => {
      const history = admitted(request)
      const limit = numberOf(request, 'limit', 100)
      if (limit < 1 || limit > maxEntries) throw badRequest(`limit: must be between 1 and ${maxEntries}`)
      const items = await history.entries({
        ...wordsOf(request, ['type', 'mesh', 'name']),
        ...(request.query.has('actor') ? { actorPrefix: request.query.get('actor') ?? '' } : {}),
        ...(request.query.has('before') ? { beforeSeq: numberOf(request, 'before', 0) } : {}),
        class: 'desired',
        order: 'newest',
        limit,
      })
      const last = items.at(-1)
      return {
        json: {
          from: await history.start(),
          seq: deps.store.seq,
          items: items.map(({ seq, time, actor, reason, op, key, before, hash }) => ({
            seq,
            time,
            actor,
            reason,
            action: actionOf(op, before),
            ...key,
            hash,
          })),
          next: items.length === limit && last ? last.seq : null,
        },
      }
    }),
    get('/_weft/history/diff', async (request) => {
      const history = admitted(request)
      const key = keyOf(registry, wordsOf(request, ['type', 'mesh', 'name']))
      const versions = await history.entries({ ...key, class: 'desired', order: 'newest', limit: 1 })
      const to = await seqOf(deps, history, request.query.get('to') ?? '', deps.store.seq)
      const from = await seqOf(deps, history, request.query.get('from') ?? '', versions[0] ? versions[0].seq - 1 : await history.start())
      const [before, after] = [await documentAt(deps, history, { key, seq: from }), await documentAt(deps, history, { key, seq: to })]
      if (!before && !after) throw notFound('Could not retrieve a resource')
      return {
        json: {
          ...key,
          from: { seq: from, document: before ?? null },
          to: { seq: to, document: after ?? null },
          operations: configDiff(before ?? {}, after ?? {}),
        },
      }
    }),
    {
      path: '/_weft/history/rollback',
      handlers: {
        POST: async (request) => {
          const history = admitted(request)
          if (settings.readOnly) throw new Problem(405, 'Method not allowed', { detail: 'This API is set to read-only.\n' })
          const wanted = bodyOf(request)
          const seq = await seqOf(deps, history, wanted.to, undefined)
          const plan = planRollback(deps, await targetsFor(deps, history, { ...wanted, seq }))
          const shown = { to: seq, ...showPlan(registry, plan) }
          if (wanted.dryRun || plan.steps.length === 0) return { json: { ...shown, dryRun: wanted.dryRun } }
          const ops = plan.steps.flatMap((step) => step.ops)
          const context = { actor: `user:${request.user.name}`, reason: `rollback to ${seq}`, class: 'desired' } as const
          const applied = await titled('Could not roll back', () => deps.store.transact(ops, context))
          return { json: { ...shown, dryRun: false, seq: applied } }
        },
      },
    },
    get('/_weft/backup', (request) => {
      requireRight(settings.access, 'adminResources', { user: request.user, action: 'a backup' })
      if (!deps.backup)
        throw new Problem(501, 'No backup', { detail: 'the store of this control plane is in memory only: there is nothing to back up' })
      const withKey = queryFlag(request, 'key', false)
      log.info({ user: request.user.name, seq: deps.store.seq, withKey }, 'backup taken')
      return { stream: deps.backup({ withKey }), contentType: 'application/gzip' }
    }),
    get('/_weft/audit/verify', async (request) => ({ json: { ...(await admitted(request).verify()) } })),
  ]
}

/** What a user said of the resources to roll back. */
interface Wanted {
  readonly type: string
  readonly mesh: string
  readonly name: string
  readonly seq: number
}

async function targetsFor(deps: ApiServerDeps, history: History, wanted: Wanted): Promise<readonly RollbackTarget[]> {
  if (wanted.type === '' && wanted.name === '') {
    if (wanted.mesh === '') throw badRequest('name a resource with type and name, or a mesh')
    return targetsOfMesh(history, wanted.mesh, wanted.seq)
  }
  const key = keyOf(deps.registry, wanted)
  const target = await targetOf(history, key, wanted.seq)
  if (!target && !deps.store.get(key)) throw notFound('Could not retrieve a resource')
  return target ? [target] : []
}

function showPlan(registry: Registry, { steps, leftOut }: RollbackPlan): object {
  return {
    changes: steps.map(({ key, action, now, then }) => {
      const [before, after] = [now && documentOf(registry, key, now), then && documentOf(registry, key, then)]
      return { ...key, action, before: before ?? null, after: after ?? null, operations: configDiff(before ?? {}, after ?? {}) }
    }),
    leftOut: leftOut.map(({ key, reason }) => ({ ...key, reason })),
  }
}

/** What a resource was after the change `seq`, as its author wrote it: without times and status. */
async function documentAt(
  deps: ApiServerDeps,
  history: History,
  at: { readonly key: ResourceKey; readonly seq: number },
): Promise<object | undefined> {
  const [next] = await history.entries({ ...at.key, class: 'desired', order: 'oldest', limit: 1, afterSeq: at.seq })
  if (next) return next.before && documentOf(deps.registry, at.key, next.before)
  const now = deps.store.get(at.key)
  if (!now) return undefined
  // a value of today is in no entry that could show its digest; the newest entry has it
  const [last] = await history.entries({ ...at.key, class: 'desired', order: 'newest', limit: 1 })
  return documentOf(deps.registry, at.key, isConfidential(deps.registry, at.key.type) ? (last?.after ?? { ...now, spec: {} }) : now)
}

function documentOf(registry: Registry, key: ResourceKey, { labels, spec }: Pick<HistoryBody, 'labels' | 'spec'>): object {
  const kind = registry.get(key.type)
  const shown = isConfidential(registry, key.type) ? { digest: field(spec, 'digest') ?? 'unknown' } : spec
  const { mesh, ...global } = key
  const head = { ...(mesh === '' ? global : { ...global, mesh }), ...(Object.keys(labels).length === 0 ? {} : { labels }) }
  return kind && !isJsonKind(kind) && typeof shown === 'object' ? { ...head, ...shown } : { ...head, spec: shown }
}

function isConfidential(registry: Registry, type: string): boolean {
  return registry.get(type)?.isConfidential === true
}

function actionOf(op: HistoryEntry['op'], before: HistoryBody | undefined): string {
  if (op === 'delete') return 'delete'
  return before ? 'update' : 'create'
}

/** A sequence number, or the one at a time (RFC 3339). `fallback` stands for an empty text; without one a text is needed. */
async function seqOf(deps: ApiServerDeps, history: History, given: string, fallback: number | undefined): Promise<number> {
  const seq = given === '' ? fallback : /^\d{1,15}$/.test(given) ? Number(given) : await seqAt(history, given)
  if (seq === undefined) throw badRequest('to: must be a sequence number or a time')
  if (seq > deps.store.seq) throw badRequest(`the last change is ${deps.store.seq}: ${seq} has not happened yet`)
  const start = await history.start()
  if (seq < start) throw badRequest(`the history begins after change ${start}: what was at ${seq} is not known`)
  return seq
}

async function seqAt(history: History, given: string): Promise<number> {
  const time = /^\d{4}-\d\d-\d\d([T ].*)?$/.test(given) ? Date.parse(given) : Number.NaN
  if (Number.isNaN(time))
    throw badRequest(`${JSON.stringify(given.slice(0, 40))} is neither a sequence number nor a time such as 2026-01-31T12:00:00Z`)
  return history.seqAt(new Date(time).toISOString())
}

type Words = Partial<Record<'type' | 'mesh' | 'name', string>>

function wordsOf({ query }: ApiRequest, names: readonly (keyof Words)[]): Words {
  return Object.fromEntries(names.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? '']] : [])))
}

/** The key of one resource; a mesh is not asked of kinds that are in none. */
function keyOf(registry: Registry, { type = '', mesh = '', name = '' }: Words): ResourceKey {
  if (type === '' || name === '') throw badRequest('type and name: must be set')
  const kind = registry.get(type)
  if (!kind) throw badRequest(`type: there is no kind ${JSON.stringify(type.slice(0, 80))}`)
  if (kind.scope === 'Global') return { type, mesh: '', name }
  if (mesh === '') throw badRequest('mesh: must be set')
  return { type, mesh, name }
}

function numberOf({ query }: ApiRequest, name: string, fallback: number): number {
  const given = query.get(name) ?? ''
  if (given === '') return fallback
  if (!/^\d{1,15}$/.test(given)) throw badRequest(`${name}: must be a number`)
  return Number(given)
}

function bodyOf({ body }: ApiRequest) {
  let given: unknown
  try {
    given = JSON.parse(body?.toString('utf8') ?? '')
  } catch {
    throw badRequest('the body is not JSON')
  }
  // numbers are as good as their texts
  const to = field(given, 'to')
  const plain = typeof given === 'object' && given !== null && typeof to === 'number' ? { ...given, to: String(to) } : given
  const { value, violations, unknown } = checkSchema(rollbackBody, plain)
  if (value === undefined || unknown.length > 0)
    throw badRequest(`the body may have type, mesh, name, to and dryRun: ${violations[0]?.message ?? unknown.join(', ')}`)
  return value
}
