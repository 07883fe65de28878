// How sync between global and zones is, as this control plane sees it: `/_weft/sync`. At global every zone, at a zone its global.
import { requireRight } from '../access.ts'
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiRequest, type ApiRoute, get } from '../api-route.ts'
import { notFound } from '../problem.ts'

export function syncRoutes({ sync, controlPlane, store, settings }: ApiServerDeps): readonly ApiRoute[] {
  if (!sync) return []
  const { mode, zone, instanceId } = controlPlane
  return [
    get('/_weft/sync', async () => ({
      json: {
        mode,
        ...(mode === 'zone' ? { zone } : {}),
        instanceId,
        storeId: store.id,
        seq: store.seq,
        ...('zones' in sync ? { zones: await sync.zones() } : { global: await sync.global() }),
      },
    })),
    ...('zones' in sync
      ? [
          get('/_weft/sync/:zone', async (request) => {
            const found = (await sync.zones()).find((each) => each.zone === request.param('zone'))
            if (!found) throw notFound('Could not retrieve the state of sync')
            return { json: found }
          }),
        ]
      : [
          {
            path: '/_weft/sync/rejoin',
            handlers: {
              POST: async ({ user }: ApiRequest) => {
                requireRight(settings.access, 'adminResources', { user, action: 'taking back the place of this zone' })
                await sync.rejoin?.()
                return { json: await sync.global() }
              },
            },
          },
        ]),
  ]
}
