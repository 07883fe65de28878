// Errors of the API and their bodies (contract/rest-cli-gui.md sections 2.1 and 2.2). Invariant: nothing of an unexpected error reaches
// the client; its cause is logged.
import { retryAfterSeconds } from '@weft/foundation/budget'
import { AppError, messageOf, type Violation } from '@weft/foundation/errors'

/** A hostile body makes any number of them; people read the first ones. */
const maxViolations = 100

/** An answer that ends the request with an error body. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: number
  readonly title: string
  readonly violations: readonly Violation[]
  /** When the same request may go through; goes into the `Retry-After` header. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    status: number,
    title: string,
    details: { readonly detail: string; readonly violations?: readonly Violation[]; readonly retryAfterSeconds?: number | undefined },
  ) {
    super(details.detail)
    this.retryAfterSeconds = details.retryAfterSeconds
    this.status = status
    this.title = title
    this.violations = details.violations?.slice(0, maxViolations) ?? []
  }
}

/** 400 without a body. */
export class EmptyBadRequest extends Problem {
  constructor() {
    super(400, '', { detail: '' })
  }
}

export function notFound(title: string): Problem {
  return new Problem(404, title, { detail: 'Not found' })
}

/** The request as such cannot be understood. */
export function badRequest(text: string): Problem {
  return new Problem(400, 'Bad Request', { detail: `bad request: ${text}` })
}

/** The body is not a resource of the kind. */
export function unreadableBody(type: string, text: string): Problem {
  return new Problem(400, 'Bad Request', { detail: `invalid ${type} object: ${JSON.stringify(text)}` })
}

export function invalid(title: string, violations: readonly Violation[]): Problem {
  return new Problem(400, title, { detail: 'Resource is not valid', violations })
}

/** Ends the request when there are violations. */
export function rejectInvalid(title: string, violations: readonly Violation[]): void {
  if (violations.length > 0) throw invalid(title, violations)
}

/** Anything thrown as a Problem. `title`: what the request was about, used where the error brings none. `cause` is set on our own failures. */
export function asProblem(error: unknown, title: string): Problem {
  if (error instanceof Problem) return error
  const problem = fromError(error, title)
  if (problem.status >= 500) problem.cause = error
  return problem
}

/** The JSON body of a problem. */
export function problemBody(problem: Problem): Readonly<Record<string, unknown>> {
  const { violations, message: detail } = problem
  return {
    type: '/std-errors',
    status: problem.status,
    title: problem.title,
    detail,
    ...(violations.length > 0 ? { invalid_parameters: violations.map(({ field, message }) => ({ field, reason: message })) } : {}),
    details: detail,
    ...(violations.length > 0 ? { causes: violations.map(({ field, message }) => ({ field, message })) } : {}),
  }
}

function fromError(error: unknown, title: string): Problem {
  if (!(error instanceof AppError)) return new Problem(500, title, { detail: 'Internal Server Error' })
  switch (error.code) {
    case 'store/not-found':
    case 'api/not-found':
      return notFound(title)
    case 'store/conflict':
    case 'store/already-exists':
      return new Problem(409, 'Conflict', { detail: error.message })
    case 'store/invalid':
      return new Problem(400, title, { detail: `invalid: ${error.message}` })
    case 'store/unavailable':
    case 'store/fenced':
    case 'store/closed':
      return new Problem(503, 'Service unavailable', { detail: error.message })
    case 'resource/invalid':
    case 'schema/invalid':
      return invalid(title, error.violations)
    case 'resource/undecodable':
    case 'resource/unknown-type':
    case 'api/bad-request':
      return new Problem(400, 'Bad Request', { detail: error.message })
    case 'token/keys-missing':
      return new Problem(404, 'Signing Key not found', { detail: error.message })
    case 'token/invalid':
    case 'api/unauthenticated':
      return new Problem(401, 'Invalid authentication data', { detail: 'Unauthenticated' })
    case 'api/forbidden':
      return new Problem(403, 'Access Denied', { detail: error.message })
    case 'budget/exhausted':
      return new Problem(429, 'Too Many Requests', { detail: error.message, retryAfterSeconds: retryAfterSeconds(error) })
    case 'api/method-not-allowed':
      return new Problem(405, 'Method not Allowed', { detail: error.message })
    default:
      return new Problem(error.retryable ? 503 : 500, error.retryable ? 'Service unavailable' : title, {
        detail: error.retryable ? error.message : 'Internal Server Error',
      })
  }
}

/** An operator's question to a proxy failed: what went wrong is for the operator to read (contract/rest-cli-gui.md section 2.2). */
export function adminProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const isDisconnected = error instanceof AppError && String(error.code).endsWith('/not-connected')
  if (!(error instanceof AppError)) return new Problem(500, 'Could not execute admin operation', { detail: 'Internal Server Error' })
  return new Problem(400, isDisconnected ? 'Bad Request' : 'Could not execute admin operation', { detail: messageOf(error) })
}

/** Runs a part of a request; what it throws gets `title`. */
export async function titled<T>(title: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw asProblem(error, title)
  }
}
