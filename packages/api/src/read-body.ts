// Turns the body of a PUT into a checked resource. Order of checks and wording: contract/rest-cli-gui.md sections 3.2, 4.1. Everything a
// client can get wrong in a body ends here; what comes out holds only fields the schema knows.
import { AppError, type Violation } from '@weft/foundation/errors'
import { decodeRest, type DecodedBody, isJsonKind, type ResourceDescriptor, specPath } from '@weft/resources'
import { jsonSyntaxMessage } from './json-syntax.ts'
import { rejectInvalid, unreadableBody } from './problem.ts'
import { unknownFieldViolations, unknownFieldWarnings } from './unknown-fields.ts'

export interface ReadResource extends Pick<DecodedBody, 'type' | 'mesh' | 'name' | 'labels' | 'spec'> {
  /** What was dropped, in words for the user. */
  readonly warnings: readonly string[]
}

export const processTitle = 'Could not process a resource'

export interface ReadOptions {
  /** Taken when the body names no mesh. */
  readonly mesh: string
  /** Refuse fields that nobody reads instead of dropping them. */
  readonly strict: boolean
}

/** The resource in a body. Throws the Problem to answer with. */
export function readBody(kind: ResourceDescriptor, body: Buffer | undefined, { mesh, strict }: ReadOptions): ReadResource {
  const decoded = decode(kind, body?.toString('utf8') ?? '', mesh)
  const { violations, labels, name, spec } = decoded
  const unreadable = unreadableMessage(kind, violations)
  if (unreadable !== undefined) throw unreadableBody(kind.type, unreadable)
  rejectInvalid(processTitle, [...violations, ...(strict ? unknownFieldViolations(kind, decoded.unknown) : [])])
  rejectInvalid(processTitle, kind.validate?.(spec, { at: specPath(kind), mesh: decoded.mesh, name, labels }) ?? [])
  return { ...decoded, warnings: unknownFieldWarnings(kind, decoded.unknown) }
}

function decode(kind: ResourceDescriptor, text: string, mesh: string): DecodedBody {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw unreadableBody(kind.type, jsonSyntaxMessage(text))
  }
  try {
    return decodeRest(kind, value, mesh)
  } catch (error) {
    throw error instanceof AppError ? unreadableBody(kind.type, error.message) : error
  }
}

/** What the peers' decoder stops at before any check: every mistake in a flat body, and durations that are none. */
function unreadableMessage(kind: ResourceDescriptor, violations: readonly Violation[]): string | undefined {
  const [first] = violations
  if (first === undefined) return undefined
  if (!isJsonKind(kind)) return first.field === '' ? first.message : `${first.field}: ${first.message}`
  const durations = violations.map(badDuration)
  return durations.every((text) => text !== undefined) ? `time: invalid duration ${durations[0]}` : undefined
}

/** The quoted text when the violation is about the form of a duration. */
function badDuration(violation: Violation): string | undefined {
  return /^in body must be of type duration: (".*")$/s.exec(violation.message)?.[1]
}
