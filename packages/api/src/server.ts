// The API server of a control plane: REST on HTTP and HTTPS (contract/rest-cli-gui.md sections 1 to 7).
import type { Component } from '@weft/foundation/lifecycle'
import type { FastifyInstance } from 'fastify'
import type { ApiServerDeps } from './api-deps.ts'
import type { ApiRoute } from './api-route.ts'
import { createHttpApp } from './http-app.ts'
import { type Listener, listen } from './listener.ts'
import { controlPlaneRoutes } from './routes/control-plane.ts'
import { explainRoutes } from './routes/explain.ts'
import { historyRoutes } from './routes/history.ts'
import { inspectionRoutes } from './routes/inspection.ts'
import { legacyRoutes } from './routes/legacy.ts'
import { overviewRoutes } from './routes/overviews.ts'
import { policyRoutes } from './routes/policies.ts'
import { proxyRoutes } from './routes/proxies.ts'
import { kriRoute, resourceRoutes } from './routes/resources.ts'
import { reachabilityRoutes } from './routes/reachability.ts'
import { serviceRoutes } from './routes/services.ts'
import { syncRoutes } from './routes/sync.ts'
import { tokenRoutes } from './routes/tokens.ts'

export interface ApiServer extends Component {
  /** Ports in use; undefined while not listening. */
  readonly httpPort: number | undefined
  readonly httpsPort: number | undefined
}

const defaultBodyLimit = 10 * 1024 * 1024

/** Not listening until started. `start` rejects with process/port-taken when a port is in use. */
export function createApiServer(deps: ApiServerDeps): ApiServer {
  const { settings, log } = deps
  let app: FastifyInstance | undefined
  let http: Listener | undefined
  let https: Listener | undefined
  const stop = async (): Promise<void> => {
    await Promise.all([http?.close(), https?.close()])
    http = undefined
    https = undefined
    await app?.close()
  }
  return {
    name: 'api-server',
    get httpPort() {
      return http?.port
    },
    get httpsPort() {
      return https?.port
    },
    start: async () => {
      app = createApiApp(deps)
      await app.ready()
      const handler = app.routing
      const timeouts = {
        ...(settings.readHeaderTimeoutMs === undefined ? {} : { headersMs: settings.readHeaderTimeoutMs }),
        ...(settings.readTimeoutMs === undefined ? {} : { requestMs: settings.readTimeoutMs }),
        ...(settings.writeTimeoutMs === undefined ? {} : { answerMs: settings.writeTimeoutMs }),
        ...(settings.idleTimeoutMs === undefined ? {} : { idleMs: settings.idleTimeoutMs }),
      }
      try {
        if (settings.http.enabled)
          http = await listen({ settings: settings.http, label: 'the API server', handler, clock: deps.clock, timeouts })
        const { certificate, clientCaPem, requireClientCertificate, minVersion } = settings.https
        if (settings.https.enabled && certificate) {
          const tls = {
            certificate,
            ...(clientCaPem === undefined ? {} : { clientCaPem }),
            ...(requireClientCertificate === undefined ? {} : { requireClientCertificate }),
            ...(minVersion === undefined ? {} : { minVersion }),
          }
          https = await listen({ settings: settings.https, label: 'the API server (HTTPS)', handler, clock: deps.clock, timeouts, tls })
        }
      } catch (error) {
        await stop()
        throw error
      }
      log.info({ http: http?.port, https: https?.port }, 'api server listening')
    },
    stop,
  }
}

/** The app without listeners, for tests that inject requests. */
export function createApiApp(deps: ApiServerDeps): FastifyInstance {
  const { settings } = deps
  const { verifyUserToken, budgets } = deps
  return createHttpApp({
    routes: apiRoutes(deps),
    authentication: {
      localhostIsAdmin: settings.localhostIsAdmin,
      ...(budgets?.attempts ? { attempts: budgets.attempts } : {}),
      ...(verifyUserToken ? { verifyUserToken: (token) => verifyUserToken(token) } : {}),
    },
    writes: budgets?.writes,
    clock: deps.clock,
    log: deps.log,
    metrics: deps.metrics,
    bodyLimitBytes: settings.bodyLimitBytes ?? defaultBodyLimit,
    prefix: (settings.basePath ?? '/').replace(/\/+$/, ''),
    corsAllowedDomains: settings.corsAllowedDomains,
  })
}

/** All routes. A path given in `deps.routes` replaces our own of the same path. */
export function apiRoutes(deps: ApiServerDeps): readonly ApiRoute[] {
  const own = [
    ...controlPlaneRoutes(deps),
    ...overviewRoutes(deps),
    ...resourceRoutes(deps),
    kriRoute(deps),
    ...proxyRoutes(deps),
    ...serviceRoutes(deps),
    ...policyRoutes(deps),
    ...inspectionRoutes(deps),
    ...explainRoutes(deps),
    ...tokenRoutes(deps),
    ...syncRoutes(deps),
    ...historyRoutes(deps),
    ...reachabilityRoutes(deps),
    ...legacyRoutes(),
  ]
  const given = deps.routes ?? []
  const replaced = new Set(given.map((route) => route.path))
  return [...own.filter((route) => !replaced.has(route.path)), ...given]
}
