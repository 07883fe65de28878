// The diagnostics server: readiness, liveness, metrics and log levels (contract/rest-cli-gui.md section 8).
import type { Component } from '@weft/foundation/lifecycle'
import { field } from '@weft/foundation/json'
import { isLogLevel, type Logger, type LogLevel, logLevels as levels, type LogLevels } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { FastifyInstance } from 'fastify'
import type { ListenerSettings } from './api-deps.ts'
import { type ApiRequest, type ApiRoute, get } from './api-route.ts'
import { createOpenApp } from './http-app.ts'
import { type Listener, listen } from './listener.ts'
import { badRequest } from './problem.ts'

export interface DiagnosticsServerDeps {
  readonly settings: Pick<ListenerSettings, 'interface' | 'port'>
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Logger
  /** Names of components that are not ready. */
  unready(): readonly string[]
  readonly logLevels?: LogLevels
  /** Such as profiles; only where the operator asked for debugging. */
  readonly routes?: readonly ApiRoute[]
}

export interface DiagnosticsServer extends Component {
  readonly port: number | undefined
}

const maxComponents = 200
const componentPattern = /^[\w-]+(\.[\w-]+)*$/

/** Not listening until started. `start` rejects with process/port-taken when the port is in use. */
export function createDiagnosticsServer(deps: DiagnosticsServerDeps): DiagnosticsServer {
  let app: FastifyInstance | undefined
  let listener: Listener | undefined
  return {
    name: 'diagnostics-server',
    get port() {
      return listener?.port
    },
    start: async () => {
      app = createDiagnosticsApp(deps)
      await app.ready()
      listener = await listen({ settings: deps.settings, label: 'the diagnostics server', handler: app.routing, clock: deps.clock })
    },
    stop: async () => {
      await listener?.close()
      listener = undefined
      await app?.close()
    },
  }
}

/** The app without a listener. */
export function createDiagnosticsApp(deps: DiagnosticsServerDeps): FastifyInstance {
  return createOpenApp({ routes: diagnosticsRoutes(deps), clock: deps.clock, log: deps.log })
}

function diagnosticsRoutes(deps: DiagnosticsServerDeps): readonly ApiRoute[] {
  const { logLevels } = deps
  const open = (route: ApiRoute): ApiRoute => ({ ...route, open: true })
  return [
    open(
      get('/ready', () => {
        const unready = deps.unready()
        return unready.length === 0 ? { text: '' } : { status: 503, text: `not ready: ${unready.join(', ')}\n` }
      }),
    ),
    open(get('/healthy', () => ({ text: '' }))),
    open(
      get('/metrics', async () => {
        const { contentType, text } = await deps.metrics.expose()
        return { text, contentType }
      }),
    ),
    ...(logLevels ? loggingRoutes(logLevels).map(open) : []),
    ...(deps.routes ?? []),
  ]
}

function loggingRoutes(logLevels: LogLevels): readonly ApiRoute[] {
  return [
    {
      path: '/logging',
      handlers: {
        GET: () => ({ json: logLevels.list() }),
        PUT: (request) => {
          const { component, level } = levelRequest(request)
          const { components } = logLevels.list()
          if (!Object.hasOwn(components, component) && Object.keys(components).length >= maxComponents)
            throw badRequest(`at most ${maxComponents} components may have a level of their own`)
          logLevels.set(component, level)
          return { json: logLevels.list() }
        },
        DELETE: () => {
          logLevels.reset()
          return { json: logLevels.list() }
        },
      },
    },
    {
      path: '/logging/:component',
      handlers: {
        DELETE: (request) => {
          logLevels.reset(request.param('component'))
          return { json: logLevels.list() }
        },
      },
    },
  ]
}

function levelRequest(request: ApiRequest): { readonly component: string; readonly level: LogLevel } {
  let value: unknown
  try {
    value = JSON.parse(request.body?.toString('utf8') ?? '')
  } catch {
    throw badRequest('the body is no JSON')
  }
  const level = field(value, 'level')
  const component = field(value, 'component') ?? ''
  if (!isLogLevel(level)) throw badRequest(`level must be one of ${levels.join(', ')}`)
  if (typeof component !== 'string' || component.length > 100 || (component !== '' && !componentPattern.test(component)))
    throw badRequest('component must be a dot path such as kds.server')
  return { component, level }
}
