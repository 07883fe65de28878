// Routes about the control plane itself: index, configuration, catalogue, the asking user and global totals.
import { globalInsight } from '@weft/insights'
import { timestamp } from '@weft/foundation/time'
import { isReadOnly, isSentToZones, type ResourceDescriptor } from '@weft/resources'
import { requireRight } from '../access.ts'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiRoute, get } from '../api-route.ts'

/** How long the totals are served from memory while changes keep coming. */
const totalsAgeMs = 1000

export function controlPlaneRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  const { controlPlane, settings, registry, store, clock } = deps
  let totals: { readonly seq: number; readonly at: number; readonly body: unknown } | undefined
  const gui = controlPlane.federated ? '' : (settings.guiBasePath ?? '')
  return [
    {
      path: '/',
      open: true,
      handlers: {
        GET: () => ({
          json: {
            hostname: controlPlane.hostname,
            // clients check this name (contract/rest-cli-gui.md section 14, item 1)
            product: 'Kuma',
            instanceId: controlPlane.instanceId,
            clusterId: controlPlane.clusterId(),
            version: controlPlane.version,
            gui,
            ...(controlPlane.basedOn === undefined ? {} : { basedOnKuma: controlPlane.basedOn }),
          },
        }),
      },
    },
    get('/config', (request) => {
      requireRight(settings.access, 'controlPlaneMetadata', { user: request.user, action: 'the control plane metadata' })
      return { text: deps.configJson(), contentType: 'application/json' }
    }),
    get('/who-am-i', (request) => ({ json: { name: request.user.name, groups: request.user.groups } })),
    get('/_resources', () => ({ json: { resources: registry.all.filter((kind) => kind.rest).map((kind) => catalogueEntry(deps, kind)) } })),
    get('/policies', () => ({ json: { policies: registry.policies.map((kind) => policyEntry(deps, kind)) } })),
    get('/global-insight', () => {
      const now = clock.now()
      if (!totals || (totals.seq !== store.seq && now - totals.at >= totalsAgeMs)) {
        const kinds = registry.all
          .filter((kind) => kind.rest)
          .map(({ type, scope, policy }) => ({ type, scope, isPolicy: policy !== undefined }))
        totals = { seq: store.seq, at: now, body: globalInsight(store, kinds, timestamp(now)) }
      }
      return { json: totals.body }
    }),
    get('/global-insights', () => ({
      json: {
        type: 'GlobalInsights',
        creationTime: timestamp(clock.now()),
        resources: Object.fromEntries(
          registry.all
            .filter((kind) => kind.scope === 'Global' && kind.rest && !kind.rest.readOnly)
            .map(({ type }) => [type, { total: store.list(type).length }]),
        ),
      },
    })),
  ]
}

/** `readOnly` here leaves out directions of sync, as the reference does (contract/rest-cli-gui.md section 3.1). */
function catalogueEntry(deps: ApiServerDeps, kind: ResourceDescriptor): Readonly<Record<string, unknown>> {
  const readOnly = kind.rest?.readOnly === true
  return {
    name: kind.type,
    scope: kind.scope,
    readOnly: deps.settings.readOnly || deps.controlPlane.federated || readOnly,
    path: kind.rest?.path ?? '',
    singularDisplayName: kind.display.one,
    pluralDisplayName: kind.display.many,
    shortName: kind.short ?? '',
    includeInFederation: isSentToZones(kind) && !readOnly && isFromGlobal(kind),
    ...(kind.policy
      ? {
          policy: {
            isTargetRef: true,
            hasToTargetRef: kind.policy.to,
            hasFromTargetRef: false,
            hasRulesTargetRef: kind.policy.rules,
            isFromAsRules: false,
          },
        }
      : {}),
  }
}

function isFromGlobal(kind: ResourceDescriptor): boolean {
  return kind.sync !== 'zone-to-zones'
}

function policyEntry(deps: ApiServerDeps, kind: ResourceDescriptor): Readonly<Record<string, unknown>> {
  const { mode, federated } = deps.controlPlane
  return {
    name: kind.type,
    readOnly: deps.settings.readOnly || isReadOnly(kind, mode, federated),
    path: kind.rest?.path ?? '',
    singularDisplayName: kind.display.one,
    pluralDisplayName: kind.display.many,
    isExperimental: false,
    isTargetRefBased: true,
    isInbound: kind.policy?.rules ?? false,
    isOutbound: kind.policy?.to ?? false,
  }
}
