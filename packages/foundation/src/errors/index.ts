// One error class for the whole product: a code that callers act on, a message that names the thing, no secrets.
export type { ErrorCode } from './codes.ts'
export { errorCodes } from './codes.ts'
import type { ErrorCode } from './codes.ts'

/** One thing wrong with an input: `field` is a path such as `spec.to[0].targetRef.kind` ('' for the whole), `message` says what to change. */
export interface Violation {
  readonly field: string
  readonly message: string
}

export interface AppErrorOptions {
  readonly cause?: unknown
  /** Structured facts for logs and API bodies. Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly violations?: readonly Violation[]
  /** True when the same call may succeed later without a change by the caller. */
  readonly retryable?: boolean
}

/** The only error class that crosses a package boundary on purpose. Catch by `code`, never by message. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>
  readonly violations: readonly Violation[]
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    this.violations = options.violations ?? []
    this.retryable = options.retryable ?? false
  }
}

/** True when `error` is an AppError with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is AppError {
  return error instanceof AppError && error.code === code
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Marks a branch that the types say cannot be reached. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`)
}
