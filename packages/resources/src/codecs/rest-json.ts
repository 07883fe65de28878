// Resources as REST and files show them: JSON kinds with `spec` and `status`, protobuf kinds with the fields of the spec at top level
// (contract/rest-cli-gui.md section 6.1).
import { AppError, type Violation } from '@weft/foundation/errors'
import { isJsonKind, type ResourceDescriptor } from '../descriptor.ts'
import { kriText } from '../kri.ts'
import type { Labels, Resource } from '../model.ts'
import type { Registry } from '../registry.ts'
import { sniOf } from '../sni.ts'
import { checkSpec } from './spec-json.ts'

/** A parsed JSON object as it came or goes. */
export type JsonBody = Readonly<Record<string, unknown>>

/** Fields of the envelope; the rest of a flat body is its spec. */
const envelope: ReadonlySet<string> = new Set([
  'type',
  'mesh',
  'name',
  'labels',
  'creationTime',
  'modificationTime',
  'kri',
  'snis',
  'status',
])

/** The body of a resource, fields in the order the peers print them. */
export function encodeRest(kind: ResourceDescriptor, resource: Resource): JsonBody {
  const { mesh, name, labels, creationTime, modificationTime, spec, status } = resource
  const snis = destinationSnis(kind, resource)
  return {
    type: kind.type,
    ...(kind.scope === 'Mesh' ? { mesh } : {}),
    name,
    creationTime,
    modificationTime,
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(kind.short === undefined ? {} : { kri: kriText(kind.short, resource) }),
    ...(snis.length === 0 ? {} : { snis }),
    ...(isJsonKind(kind) ? { spec: spec ?? {}, ...(status === undefined ? {} : { status }) } : asBody(spec)),
  }
}

export interface PortSni {
  readonly port: number
  readonly sni: string
}

/** Server names of a destination's ports, by port; ports whose names make no valid one are left out. */
export function destinationSnis(
  kind: ResourceDescriptor,
  resource: Pick<Resource, 'mesh' | 'name' | 'labels' | 'spec'>,
): readonly PortSni[] {
  const { short, destination } = kind
  if (short === undefined || destination === undefined) return []
  return destination
    .ports(resource.spec)
    .flatMap(({ name, port }): readonly PortSni[] => {
      const sni = sniOf(short, resource, name)
      return sni === undefined ? [] : [{ port, sni }]
    })
    .sort((a, b) => a.port - b.port)
}

/** What a body says before anything is looked up: its kind, its key and its checked spec. */
export interface DecodedBody {
  readonly kind: ResourceDescriptor
  /** '' for kinds of global scope; `default` when a body of mesh scope names none. */
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
  /** Checked and canonical; undefined exactly when there are violations. */
  readonly spec: unknown
  readonly violations: readonly Violation[]
  /** Paths of fields that nobody reads. */
  readonly unknown: readonly string[]
}

/**
 * Reads a body whose `type` says what it is. Throws `resource/undecodable` when it is no object or its envelope has wrong types, and
 * `resource/unknown-type`. Status, times, KRI and server names in it are ignored.
 */
export function decodeRest(registry: Registry, body: unknown): DecodedBody {
  if (!isBody(body)) throw undecodable('a resource must be an object')
  const type = textOf(body, 'type')
  if (type === '') throw undecodable('a resource must have a type')
  const kind = registry.get(type)
  if (kind === undefined)
    throw new AppError('resource/unknown-type', `unknown resource type ${JSON.stringify(type.slice(0, 100))}`, { details: { type } })
  return decodeRestAs(kind, body)
}

/** Reads a body as one of a kind, whatever its `type` says; the caller compares that with what it expects. */
export function decodeRestAs(kind: ResourceDescriptor, body: unknown): DecodedBody {
  if (!isBody(body)) throw undecodable(`invalid ${kind.type} object: it must be an object`)
  const flat = !isJsonKind(kind)
  const spec: unknown = flat ? Object.fromEntries(Object.entries(body).filter(([key]) => !envelope.has(key))) : ownOf(body, 'spec')
  const checked = checkSpec(kind, spec)
  const strangers = flat ? [] : Object.keys(body).filter((key) => key !== 'spec' && !envelope.has(key))
  return {
    kind,
    mesh: kind.scope === 'Mesh' ? textOf(body, 'mesh') || 'default' : '',
    name: textOf(body, 'name'),
    labels: labelsOf(body),
    spec: checked.value,
    violations: checked.violations,
    unknown: [...strangers, ...checked.unknown],
  }
}

function undecodable(message: string): AppError {
  return new AppError('resource/undecodable', message)
}

function isBody(value: unknown): value is JsonBody {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function asBody(value: unknown): JsonBody {
  return isBody(value) ? value : {}
}

function ownOf(body: JsonBody, name: string): unknown {
  return Object.hasOwn(body, name) ? body[name] : undefined
}

function textOf(body: JsonBody, name: string): string {
  const value = ownOf(body, name) ?? ''
  if (typeof value !== 'string') throw undecodable(`${name} must be text`)
  return value
}

function labelsOf(body: JsonBody): Labels {
  const labels = ownOf(body, 'labels') ?? {}
  if (!isBody(labels)) throw undecodable('labels must be an object of texts')
  for (const [key, value] of Object.entries(labels)) {
    if (typeof value !== 'string') throw undecodable(`labels[${JSON.stringify(key.slice(0, 100))}] must be text`)
  }
  // every value was looked at
  return labels as Labels
}
