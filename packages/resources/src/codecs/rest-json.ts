// Resources as REST and files show them: JSON kinds with `spec` and `status`, protobuf kinds with the fields of the spec at top level
// (contract/rest-cli-gui.md section 6.1).
import { AppError, type Violation } from '@weft/foundation/errors'
import { field, isObject, type JsonObject } from '@weft/foundation/json'
import { childPath, typeName } from '@weft/foundation/schema'
import { isJsonKind, type ResourceDescriptor } from '../descriptor.ts'
import { kriText } from '../kri.ts'
import type { Labels, Resource } from '../model.ts'
import { sniOf } from '../sni.ts'
import { checkSpec } from './spec-json.ts'

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

/** Most fields of the envelope that are named as unknown. */
const maxUnknown = 100

/** The fields every body starts with, in the order the peers print them. `type` is another one for overviews. */
export function encodeRestMeta(kind: ResourceDescriptor, resource: Resource, type = kind.type): JsonObject {
  const { mesh, name, labels, creationTime, modificationTime } = resource
  return {
    type,
    ...(kind.scope === 'Mesh' ? { mesh } : {}),
    name,
    creationTime,
    modificationTime,
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(kind.short === undefined ? {} : { kri: kriText(kind.short, resource) }),
  }
}

/** The body of a resource. */
export function encodeRest(kind: ResourceDescriptor, resource: Resource): JsonObject {
  const { spec, status } = resource
  const meta = encodeRestMeta(kind, resource)
  if (!isJsonKind(kind)) return isObject(spec) ? { ...meta, ...spec } : meta
  const snis = destinationSnis(kind, resource)
  return { ...meta, ...(snis.length === 0 ? {} : { snis }), spec: spec ?? {}, ...(status === undefined ? {} : { status }) }
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

/** What a body says before anything is looked up: its key and its checked spec. */
export interface DecodedBody {
  /** As in the body, whatever the kind; '' when absent. */
  readonly type: string
  /** '' for kinds of global scope. */
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
  /** Checked and canonical; undefined exactly when there are violations. */
  readonly spec: unknown
  /** Of the envelope (without a field) and of the spec. */
  readonly violations: readonly Violation[]
  /** Paths of fields that nobody reads. */
  readonly unknown: readonly string[]
}

/**
 * Reads a body as one of a kind. `defaultMesh` is taken when a body of mesh scope names none. Status, times, KRI and server names in it are
 * ignored. Throws `resource/undecodable` when it is no object. A `type` that is not the kind's is a violation for JSON kinds only; for the
 * others the caller compares.
 */
export function decodeRest(kind: ResourceDescriptor, body: unknown, defaultMesh = 'default'): DecodedBody {
  if (!isObject(body)) throw new AppError('resource/undecodable', `a resource must be an object, not ${typeName(body)}`)
  const isJson = isJsonKind(kind)
  const wrong: string[] = []
  const text = (field: string): string => {
    const value = ownOf(body, field)
    if (typeof value === 'string') return value
    if (value !== undefined) wrong.push(mismatch(kind, { field, wanted: 'string', value }))
    else if (isJson && field !== 'mesh') wrong.push(`.${field} in body is required`)
    return ''
  }
  const type = text('type')
  const mesh = text('mesh')
  const name = text('name')
  const labels = labelsOf(kind, body, wrong)
  const spec = isJson ? ownOf(body, 'spec') : flatSpec(kind, body)
  if (spec === undefined) wrong.push('.spec in body is required')
  if (isJson && type !== '' && type !== kind.type) wrong.push(`type in body should be one of [${kind.type}]`)
  const checked = spec === undefined ? { value: undefined, violations: [], unknown: [] } : checkSpec(kind, spec)
  const violations = [...wrong.sort().map((message) => ({ field: '', message })), ...checked.violations]
  const strangers = isJson ? Object.keys(body).filter((key) => key !== 'spec' && !envelope.has(key)) : []
  return {
    type,
    mesh: kind.scope === 'Mesh' ? mesh || defaultMesh : '',
    name,
    labels,
    spec: violations.length > 0 ? undefined : checked.value,
    violations,
    unknown: [...strangers.slice(0, maxUnknown).map((key) => childPath('', key)), ...checked.unknown],
  }
}

function flatSpec(kind: ResourceDescriptor, body: JsonObject): JsonObject {
  const fields = new Map(Object.entries(body).filter(([key]) => !envelope.has(key)))
  const spec = fields.get('spec')
  // documentation shows `spec.enabled` for a Zone; both forms count (contract/rest-cli-gui.md section 14, item 6)
  if (kind.type === 'Zone' && isObject(spec) && Object.hasOwn(spec, 'enabled')) {
    fields.delete('spec')
    if (!fields.has('enabled')) fields.set('enabled', spec['enabled'])
  }
  return Object.fromEntries(fields)
}

/** A member of the body itself; null counts as absent. */
function ownOf(body: JsonObject, name: string): unknown {
  return field(body, name) ?? undefined
}

/** Labels without value are empty ones. */
function labelsOf(kind: ResourceDescriptor, body: JsonObject, wrong: string[]): Labels {
  const labels = ownOf(body, 'labels') ?? {}
  if (!isObject(labels)) {
    wrong.push(mismatch(kind, { field: 'labels', wanted: 'object', value: labels }))
    return {}
  }
  const texts = Object.entries(labels).map(([key, value]): [string, string] => {
    if (value === null || typeof value === 'string') return [key, value ?? '']
    wrong.push(mismatch(kind, { field: 'labels', key: key.slice(0, 100), wanted: 'string', value }))
    return [key, '']
  })
  return Object.fromEntries(texts)
}

interface Mismatch {
  readonly field: string
  /** Of a label. */
  readonly key?: string
  readonly wanted: 'string' | 'object'
  readonly value: unknown
}

/** The peers check JSON kinds by their schema, and read the others into structures of their language; their clients show either text. */
function mismatch(kind: ResourceDescriptor, { field, key, wanted, value }: Mismatch): string {
  if (isJsonKind(kind)) return `${key === undefined ? field : `${field}.${key}`} in body must be of type ${wanted}: "${typeName(value)}"`
  const given = typeof value === 'boolean' ? 'bool' : typeName(value)
  return `json: cannot unmarshal ${given} into Go struct field ResourceMeta.${field} of type ${wanted === 'object' ? 'map[string]string' : 'string'}`
}
