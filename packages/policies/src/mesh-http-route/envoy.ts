// MeshHTTPRoute: the routes of an outbound's HTTP listener (contract/policies.md section 3.5).
import type { HttpDraft } from '@weft/envoy'
import { uintValue } from '@weft/envoy'
import type { PolicyPlugin } from '../plugin.ts'
import type { RouteModel } from '../route-model.ts'
import { weightedClusters } from '../weighted-clusters.ts'
import { applyFilters } from './filters.ts'
import { fractionalPercent } from '../fraction.ts'
import { type EnvoyMatch, envoyMatches } from './matches.ts'
import { httpRouteShape } from './shape.ts'

type Route = HttpDraft['virtualHosts'][number]['routes'][number]

const unresolvedStatus = 500

/** Writes the routes into the first virtual host of HTTP chains; without a policy that is one route to the outbound's own cluster. */
export const meshHttpRoutePlugin: PolicyPlugin = {
  type: 'MeshHTTPRoute',
  order: 100,
  outboundShape: httpRouteShape,
  outboundListener({ name, listener, routes }) {
    for (const { terminal } of listener.chains) {
      const host = terminal.kind === 'http' ? terminal.virtualHosts[0] : undefined
      if (host !== undefined) host.routes = routes.flatMap((route) => envoyRoutes(route, name))
    }
  },
}

/** Envoy's routes for one of ours: a prefix takes two, and backends that do not exist take a share of their own. */
export function envoyRoutes(route: RouteModel, ownCluster: string): readonly Route[] {
  return envoyMatches(route.match).flatMap((match): readonly Route[] => {
    const redirects = route.filters.some((filter) => filter.type === 'RequestRedirect')
    if (redirects) return [forwarding(route, match, ownCluster)]
    if (route.splits.length === 0) return [answering(route, match, ownCluster)]
    if (route.unresolvedWeight === 0) return [forwarding(route, match, ownCluster)]
    const runtimeFraction = { defaultValue: fractionalPercent((route.unresolvedWeight / route.totalWeight) * 100) }
    return [answering(route, { ...match, match: { ...match.match, runtimeFraction } }, ownCluster), forwarding(route, match, ownCluster)]
  })
}

function answering(route: RouteModel, match: EnvoyMatch, ownCluster: string): Route {
  const message: Route = { name: route.name, match: match.match, directResponse: { status: unresolvedStatus, body: { inlineString: '' } } }
  applyFilters(message, route.filters, { byPrefix: match.byPrefix, ownCluster })
  return message
}

function forwarding(route: RouteModel, match: EnvoyMatch, ownCluster: string): Route {
  const message: Route = { name: route.name, match: match.match, route: actionOf(route, ownCluster) }
  applyFilters(message, route.filters, { byPrefix: match.byPrefix, ownCluster })
  return message
}

function actionOf(route: RouteModel, ownCluster: string): NonNullable<Route['route']> {
  const [first] = route.splits
  const action: NonNullable<Route['route']> =
    first !== undefined && route.splits.length === 1
      ? { cluster: first.backend.name ?? ownCluster }
      : {
          weightedClusters: {
            clusters: weightedClusters(route.splits, ownCluster).map(({ name, weight }) => ({ name, weight: uintValue(weight) })),
          },
        }
  // MeshTimeout sets the real one: Envoy's own default would cut long requests.
  action.timeout = { seconds: 0 }
  if (route.splits.some((split) => split.backend.kind === 'MeshExternalService')) action.autoHostRewrite = { value: true }
  return action
}
