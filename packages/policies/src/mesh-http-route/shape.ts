// How MeshHTTPRoutes read for inspection: the rules of all of them for one destination, each named by the strongest policy with its matches.
import { field, listField } from '@weft/foundation/json'
import { canonicalJson } from '@weft/foundation/schema'
import type { OutboundShape } from '../outbound-shape.ts'
import { httpRouteMerge, originsOf } from './routes.ts'

export const httpRouteShape: OutboundShape = {
  ...httpRouteMerge,
  routesOf: ({ conf, entries }) => {
    const origins = originsOf(entries)
    return listField(conf, 'rules').map((rule) => {
      const matches = field(rule, 'matches')
      return { policy: origins.get(canonicalJson(matches))?.entry.policy, matches, conf: field(rule, 'default') }
    })
  },
}
