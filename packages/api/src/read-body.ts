// Turns the body of a PUT into a checked resource. Order of checks and wording: contract/rest-cli-gui.md sections 3.2, 4.1. Everything a
// client can get wrong ends here; what comes out holds only fields the schema knows.
import { checkSchema } from '@weft/foundation/schema'
import type { Violation } from '@weft/foundation/errors'
import { isJsonKind, type Labels, type ResourceDescriptor, specPath } from '@weft/resources'
import { jsonSyntaxMessage } from './json-syntax.ts'
import { rejectInvalid, unreadableBody } from './problem.ts'
import { unknownFieldWarnings } from './unknown-fields.ts'

export interface ReadResource {
  /** Exactly as in the body; '' when absent. */
  readonly type: string
  readonly name: string
  /** undefined when the body does not name one. */
  readonly mesh: string | undefined
  readonly labels: Labels
  readonly spec: unknown
  /** What was dropped, in words for the user. */
  readonly warnings: readonly string[]
}

export const processTitle = 'Could not process a resource'

const metaFields = new Set(['type', 'mesh', 'name', 'labels', 'creationTime', 'modificationTime', 'kri', 'snis', 'status'])

/** The resource in a body. `mesh` is the one of the URL, for checks that depend on it. Throws the Problem to answer with. */
export function readBody(kind: ResourceDescriptor, body: Buffer | undefined, mesh: string): ReadResource {
  const text = body?.toString('utf8') ?? ''
  const value = parse(kind, text)
  const meta = {
    type: textField(kind, value, 'type') ?? '',
    name: textField(kind, value, 'name') ?? '',
    mesh: textField(kind, value, 'mesh'),
    labels: labelsOf(kind, value),
  }
  const checked = isJsonKind(kind) ? readJsonSpec(kind, meta.type, value.get('spec')) : readFlatSpec(kind, value)
  const context = { at: specPath(kind), mesh: meta.mesh ?? mesh, name: meta.name, labels: meta.labels }
  // the descriptor's own rules see a spec that its own schema let through
  rejectInvalid(processTitle, kind.validate?.(checked.spec as Parameters<NonNullable<typeof kind.validate>>[0], context) ?? [])
  const other = isJsonKind(kind) ? [...value.keys()].filter((key) => key !== 'spec' && !metaFields.has(key)) : []
  return { ...meta, spec: checked.spec, warnings: unknownFieldWarnings(kind, [...other, ...checked.unknown]) }
}

function parse(kind: ResourceDescriptor, text: string): ReadonlyMap<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw unreadableBody(kind.type, jsonSyntaxMessage(text))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unreadableBody(kind.type, `json: cannot unmarshal ${jsonType(value)} into Go value of type rest.Resource`)
  }
  return new Map(Object.entries(value))
}

function textField(kind: ResourceDescriptor, value: ReadonlyMap<string, unknown>, field: string): string | undefined {
  const found = value.get(field)
  if (found === undefined || found === null) return undefined
  if (typeof found !== 'string')
    throw unreadableBody(kind.type, `json: cannot unmarshal ${jsonType(found)} into Go struct field ResourceMeta.${field} of type string`)
  return found
}

function labelsOf(kind: ResourceDescriptor, value: ReadonlyMap<string, unknown>): Labels {
  const found = value.get('labels')
  if (found === undefined || found === null) return {}
  const wrong = (type: string, wanted: string) =>
    unreadableBody(kind.type, `json: cannot unmarshal ${type} into Go struct field ResourceMeta.labels of type ${wanted}`)
  if (typeof found !== 'object' || Array.isArray(found)) throw wrong(jsonType(found), 'map[string]string')
  return Object.fromEntries(
    Object.entries(found).map(([key, label]: [string, unknown]): [string, string] => {
      if (label === null) return [key, '']
      if (typeof label !== 'string') throw wrong(jsonType(label), 'string')
      return [key, label]
    }),
  )
}

interface CheckedSpec {
  readonly spec: unknown
  /** Paths from the top of the body. */
  readonly unknown: readonly string[]
}

function readJsonSpec(kind: ResourceDescriptor, type: string, given: unknown): CheckedSpec {
  const checked = checkSchema(kind.spec, given ?? {}, { at: 'spec', profile: 'json' })
  const violations: Violation[] = type === kind.type ? [] : [{ field: '', message: `type in body should be one of [${kind.type}]` }]
  violations.push(...checked.violations)
  const duration = violations.length > 0 ? violations.map(badDuration) : []
  const [first] = duration
  if (first !== undefined && duration.every((text) => text !== undefined))
    throw unreadableBody(kind.type, `time: invalid duration ${first}`)
  rejectInvalid(processTitle, violations)
  return { spec: checked.value, unknown: checked.unknown }
}

function readFlatSpec(kind: ResourceDescriptor, value: ReadonlyMap<string, unknown>): CheckedSpec {
  const fields = new Map([...value].filter(([key]) => !metaFields.has(key)))
  if (kind.type === 'Zone') liftEnabled(fields)
  const checked = checkSchema(kind.spec, Object.fromEntries(fields), { profile: 'proto' })
  const [first] = checked.violations
  if (first) throw unreadableBody(kind.type, `${first.field}: ${first.message}`)
  return { spec: checked.value ?? {}, unknown: checked.unknown }
}

/** The documentation shows `spec.enabled` for a Zone; both forms count (contract/rest-cli-gui.md section 14, item 6). */
function liftEnabled(fields: Map<string, unknown>): void {
  const spec = fields.get('spec')
  if (typeof spec !== 'object' || spec === null || !Object.hasOwn(spec, 'enabled')) return
  fields.delete('spec')
  if (!fields.has('enabled')) fields.set('enabled', Reflect.get(spec, 'enabled'))
}

/** The quoted text when the violation is about the form of a duration: the peers report that as an unreadable body. */
function badDuration(violation: Violation): string | undefined {
  return /^in body must be of type duration: (".*")$/s.exec(violation.message)?.[1]
}

function jsonType(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
