// The HTTP side of the API: one Fastify instance that turns requests into handler calls and replies into bytes, with the reference's
// texts and headers (contract/rest-cli-gui.md section 1). Listeners are not its business.
import type { Budget } from '@weft/foundation/budget'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { ApiUser } from './api-deps.ts'
import type { ApiReply, ApiRequest, ApiRoute, Method } from './api-route.ts'
import { warningHeader, withWarnings } from './answer-warnings.ts'
import { authenticate, type AuthenticateOptions } from './authenticate.ts'
import { corsHeaders, isPreflight } from './cors.ts'
import { asProblem, EmptyBadRequest, problemBody } from './problem.ts'
import { spenderOf } from './spender.ts'

export interface HttpAppOptions {
  readonly routes: readonly ApiRoute[]
  /** Who asks; absent: everyone is anonymous and nothing is checked. */
  readonly authentication: AuthenticateOptions | undefined
  /** What each user may change. Default: without a limit. */
  readonly writes?: Budget | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics | undefined
  readonly bodyLimitBytes: number
  /** Prefix of every route, without slash at its end. */
  readonly prefix: string
  readonly corsAllowedDomains: readonly string[]
}

const smallBodyBytes = 64 * 1024

/** An app for everyone who reaches its port: no credentials, small bodies, no metrics of its own. */
export function createOpenApp({ routes, clock, log }: Pick<HttpAppOptions, 'routes' | 'clock' | 'log'>): FastifyInstance {
  return createHttpApp({
    routes,
    clock,
    log,
    authentication: undefined,
    metrics: undefined,
    bodyLimitBytes: smallBodyBytes,
    prefix: '',
    corsAllowedDomains: [],
  })
}

const anonymous: ApiUser = { name: 'mesh-system:anonymous', groups: ['mesh-system:unauthenticated'] }
const bodyMethods = ['PUT', 'POST', 'PATCH']
const writeMethods = [...bodyMethods, 'DELETE']

/** An app with the routes; not listening. Throws a plain Error when two routes claim a path: a programming error. */
export function createHttpApp(options: HttpAppOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1024, caseSensitive: true },
    frameworkErrors: (_error, request, reply) => void sendText(reply, request.method, 400, '400: Bad Request'),
  })
  app.removeAllContentTypeParsers()
  // read as bytes: wording of what is wrong with them is ours; other types are refused before the body is looked at
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  const measure = requestMetrics(options)

  const receive = (route: ApiRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const done = measure(route.path, request.method)
    reply.raw.once('close', () => done(reply.statusCode))
    return refuseEarly(route, request, reply, options)
  }
  const urlOf = (route: ApiRoute): string => `${options.prefix}${route.path}`.replace(/(.)\/$/, '$1')
  for (const route of options.routes) {
    app.route({
      method: Object.keys(route.handlers),
      url: urlOf(route),
      onRequest: (request, reply) => receive(route, request, reply),
      handler: (request, reply) => answer(route, request, reply, options),
    })
  }
  // the router keeps a tree for each method, so what is refused anyway is no route
  const routeAt = routeFinder(options.routes, urlOf)
  app.addHook('onRequest', async (request, reply) => {
    const route = request.is404 ? routeAt(pathOf(request)) : undefined
    return route && !(request.method in route.handlers) ? receive(route, request, reply) : undefined
  })
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request)
    if (path.includes('//'))
      return reply
        .code(307)
        .header('location', request.url.replace(path, path.replace(/\/{2,}/g, '/')))
        .send()
    return sendText(reply, request.method, 404, '404: Page Not Found')
  })
  app.setErrorHandler((error, request, reply) => {
    const { code } = error instanceof Error && 'code' in error ? error : { code: '' }
    if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return sendText(reply, request.method, 413, '413: Request Entity Too Large')
    if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' || code === 'FST_ERR_BAD_URL')
      return sendText(reply, request.method, 400, '400: Bad Request')
    return sendProblem(error, { request, reply, log: options.log })
  })
  return app
}

function pathOf(request: FastifyRequest): string {
  const at = request.url.indexOf('?')
  return at < 0 ? request.url : request.url.slice(0, at)
}

/** Finds the route a path belongs to whatever the method: of several the one with the fewest parameters. */
function routeFinder(routes: readonly ApiRoute[], urlOf: (route: ApiRoute) => string): (path: string) => ApiRoute | undefined {
  let patterns: readonly { readonly route: ApiRoute; readonly parameters: number; readonly pattern: RegExp }[] | undefined
  const patternOf = (url: string): RegExp => {
    const segments = url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : RegExp.escape(part)))
    return new RegExp(`^${segments.join('/')}/?$`)
  }
  return (path) => {
    patterns ??= routes
      .map((route) => ({ route, parameters: urlOf(route).split(/\/[:*]/).length, pattern: patternOf(urlOf(route)) }))
      .sort((a, b) => a.parameters - b.parameters)
    return patterns.find(({ pattern }) => pattern.test(path))?.route
  }
}

/** Refusals that need no body: method, media types, credentials, budgets. */
async function refuseEarly(
  route: ApiRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  options: HttpAppOptions,
): Promise<FastifyReply | undefined> {
  const cors = corsHeaders(request.headers.origin, options.corsAllowedDomains)
  if (cors) reply.headers(cors)
  if (cors && isPreflight(request)) return reply.code(200).send()
  const allowed = Object.keys(route.handlers)
  if (!allowed.includes(request.method)) {
    reply.header('allow', allowed.join(', '))
    return sendText(reply, request.method, 405, '405: Method Not Allowed')
  }
  if (bodyMethods.includes(request.method) && !isJson(request.headers['content-type']))
    return sendText(reply, request.method, 415, '415: Unsupported Media Type')
  if (route.open !== true && !acceptsJson(request.headers.accept)) {
    return sendText(reply, request.method, 406, '406: Not Acceptable\n\nAvailable representations: application/json')
  }
  if (route.open === true || !options.authentication) return undefined
  try {
    const user = await authenticate(request.raw, options.authentication)
    users.set(request, user)
    if (writeMethods.includes(request.method)) await options.writes?.spend(spenderOf({ user, address: addressOf(request) }))
    return undefined
  } catch (error) {
    return sendProblem(error, { request, reply, log: options.log })
  }
}

/** The user found by `refuseEarly`, for the handler of the same request. */
const users = new WeakMap<FastifyRequest, ApiUser>()

async function answer(route: ApiRoute, request: FastifyRequest, reply: FastifyReply, options: HttpAppOptions): Promise<FastifyReply> {
  // checked by refuseEarly
  const handler = route.handlers[request.method as Method]
  if (!handler) return sendText(reply, request.method, 405, '405: Method Not Allowed')
  try {
    const { answer: answered, warnings } = await withWarnings(() => handler(toApiRequest(request)))
    if (warnings.length > 0) reply.header('warning', warningHeader(warnings))
    return send(reply, answered)
  } catch (error) {
    return sendProblem(error, { request, reply, log: options.log })
  }
}

function addressOf(request: FastifyRequest): string {
  return request.raw.socket.remoteAddress ?? ''
}

function toApiRequest(request: FastifyRequest): ApiRequest {
  const at = request.url.indexOf('?')
  const params = new Map(Object.entries(typeof request.params === 'object' && request.params !== null ? request.params : {}))
  const isTls = 'encrypted' in request.raw.socket
  return {
    method: request.method,
    path: pathOf(request),
    query: new URLSearchParams(at < 0 ? '' : request.url.slice(at + 1)),
    origin: `${isTls ? 'https' : 'http'}://${request.headers.host ?? ''}`,
    body: Buffer.isBuffer(request.body) ? request.body : undefined,
    user: users.get(request) ?? anonymous,
    address: addressOf(request),
    param: (name) => {
      const value: unknown = params.get(name)
      return typeof value === 'string' ? value : ''
    },
    header: (name) => {
      const value = request.headers[name]
      return typeof value === 'string' ? value : ''
    },
  }
}

function send(reply: FastifyReply, answered: ApiReply): FastifyReply {
  reply.code(answered.status ?? 200)
  if (answered.headers) reply.headers(answered.headers)
  if (answered.bytes) return reply.header('content-type', answered.contentType ?? 'text/plain').send(Buffer.from(answered.bytes))
  if (answered.stream) return reply.header('content-type', answered.contentType ?? 'text/plain').send(answered.stream)
  if (answered.text !== undefined)
    return reply.header('content-type', answered.contentType ?? 'text/plain').send(Buffer.from(answered.text))
  return sendJson(reply, answered.json)
}

/** As bytes: the library would add a charset to the type of a string. */
function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.header('content-type', 'application/json').send(Buffer.from(`${JSON.stringify(value, null, 1)}\n`))
}

interface Failure {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly log: Logger
}

function sendProblem(error: unknown, { request, reply, log }: Failure): FastifyReply {
  const problem = asProblem(error, 'Could not process the request')
  if (problem.status >= 500) log.error({ method: request.method, path: request.routeOptions.url, err: problem.cause }, 'request failed')
  reply.code(problem.status)
  if (problem.retryAfterSeconds !== undefined) reply.header('retry-after', String(problem.retryAfterSeconds))
  if (problem instanceof EmptyBadRequest) return reply.send()
  return sendJson(reply, problemBody(problem))
}

function sendText(reply: FastifyReply, method: string, status: number, text: string): FastifyReply {
  reply.code(status).header('content-type', 'text/plain; charset=utf-8')
  return method === 'HEAD' ? reply.send() : reply.send(text)
}

function isJson(contentType: string | undefined): boolean {
  return (contentType ?? '').split(';')[0]?.trim().toLowerCase() === 'application/json'
}

function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return true
  return accept
    .split(',')
    .some((range) => ['*/*', 'application/*', 'application/json'].includes(range.split(';')[0]?.trim().toLowerCase() ?? ''))
}

/** Starts measuring a request; the function returned ends it. */
function requestMetrics(options: HttpAppOptions): (handler: string, method: string) => (status: number) => void {
  const { metrics, clock } = options
  if (!metrics) return () => () => {}
  const labels = ['handler', 'method', 'code']
  const seconds = metrics.histogram('api_server_http_request_duration_seconds', 'Time to answer a request.', labels)
  let inflight = 0
  metrics.gauge('api_server_http_requests_inflight', 'Requests being answered.', [], () => inflight)
  return (handler, method) => {
    const started = clock.monotonic()
    inflight += 1
    return (status) => {
      inflight -= 1
      seconds.observe((clock.monotonic() - started) / 1000, { handler, method, code: String(status) })
    }
  }
}
