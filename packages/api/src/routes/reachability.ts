// Which zone reaches which, as the zones tell: `/_weft/reachability`. At global the matrix, at a zone its own row.
import type { ApiServerDeps } from '../api-deps.ts'
import { type ApiRoute, get } from '../api-route.ts'

export function reachabilityRoutes({ sync, controlPlane, store }: ApiServerDeps): readonly ApiRoute[] {
  if (!sync) return []
  return [
    get('/_weft/reachability', async () => {
      if (!('zones' in sync))
        return { json: { mode: 'zone', rows: [{ zone: controlPlane.zone, told: true, entries: sync.reachability() }] } }
      const rows = await sync.reachability()
      const zones = [...new Set([...store.list('Zone').map(({ name }) => name), ...rows.keys()])].sort()
      return {
        json: {
          mode: 'global',
          // stock zones and those that are away tell nothing
          rows: zones.map((zone) => ({ zone, state: sync.liveness(zone).state, told: rows.has(zone), entries: rows.get(zone) ?? [] })),
        },
      }
    }),
  ]
}
