// Resources between control planes: a KumaResource holds protobuf specs under their type URL, and JSON specs as raw JSON bytes under an
// empty one (contract/kds.md section 6).
import { AppError, messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import { anyName, codec, namedCodec } from '@weft/proto'
import { isJsonKind, type ResourceDescriptor } from '../descriptor.ts'
import { labelKeys, type Labels } from '../model.ts'
import { inLabelOrder } from '../labels.ts'
import { inKeyOrder } from './key-order.ts'
import { checkSpec, checkStatus } from './spec-json.ts'

/** A resource as it travels: no times. */
export interface KdsResource {
  /** Wire name. */
  readonly name: string
  /** '' for global scope. */
  readonly mesh: string
  readonly labels: Labels
  readonly spec: unknown
  readonly status?: unknown
  /** `meta.version`: of own peers the change of the sender's store that made it; stock ones send none (contract/kds.md section 6). */
  readonly version?: string
}

const wire = codec('kuma.mesh.v1alpha1.KumaResource')

/** The bytes of a KumaResource; equal resources give equal bytes. The spec must be canonical for its kind. */
export function encodeKdsResource(kind: ResourceDescriptor, resource: KdsResource): Uint8Array {
  return kdsEncoding(kind, resource)(resource.version)
}

/** `encodeKdsResource` for several versions of the same content: the spec, which is most of the work, is packed once. */
export function kdsEncoding(kind: ResourceDescriptor, resource: Omit<KdsResource, 'version'>): (version?: string) => Uint8Array {
  const { name, mesh, status } = resource
  const labels = inLabelOrder(resource.labels)
  const rest = {
    spec: isJsonKind(kind) ? jsonAny(resource.spec) : protoAny(kind, resource.spec),
    ...(status === undefined || kind.status === undefined ? {} : { status: jsonAny(status) }),
  }
  // the meta is the first field
  const content = wire.encode(rest)
  return (version) => Buffer.concat([wire.encode({ meta: { name, mesh, labels, ...(version === undefined ? {} : { version }) } }), content])
}

/**
 * Reads a KumaResource of a kind. Throws `resource/undecodable` when the bytes are not one or the spec is of another type, and
 * `resource/invalid` with violations when the spec does not fit its schema; in both cases `details.name` and `details.mesh` tell whose it
 * was, as far as known. Names and semantic rules are not checked here.
 */
export function decodeKdsResource(kind: ResourceDescriptor, bytes: Uint8Array): KdsResource {
  const { meta, spec, status } = wire.decode(bytes)
  const name = meta?.name ?? ''
  const mesh = shared(meta?.mesh ?? '')
  const details = { type: kind.type, name, mesh }
  if (name === '') throw new AppError('resource/undecodable', `a ${kind.type} without a name`, { details })
  // every peer sends one, empty specs too; without it nothing says what the resource should be
  if (spec === undefined) throw new AppError('resource/undecodable', `${kind.type} ${name} without a spec`, { details })
  let raw: unknown
  try {
    raw = isJsonKind(kind) ? parseJson(spec?.value) : parseProto(kind.wire.spec, spec)
  } catch (error) {
    throw new AppError('resource/undecodable', `${kind.type} ${name}: ${messageOf(error)}`, { details, cause: error })
  }
  const checked = checkSpec(kind, raw)
  if (checked.value === undefined) {
    const first = checked.violations[0]
    throw new AppError('resource/invalid', `${kind.type} ${name}: ${first?.field ?? ''} ${first?.message ?? ''}`, {
      details,
      violations: checked.violations,
    })
  }
  const labels = labelsOf(meta?.labels ?? {})
  const known = status === undefined ? undefined : checkStatus(kind, parseStatus(status.value))
  return {
    name,
    mesh,
    labels,
    spec: checked.value,
    ...(known === undefined ? {} : { status: known }),
    ...(meta?.version ? { version: meta.version } : {}),
  }
}

function labelsOf(received: Readonly<Record<string, string>>): Labels {
  const entries = Object.entries(received)
  for (const entry of entries) {
    // a name of its own is shared by nothing
    if (entry[0] !== labelKeys.displayName) entry[1] = shared(entry[1])
  }
  return inLabelOrder(Object.fromEntries(entries))
}

const sharedStrings = new Map<string, string>()
const mostShared = 4_096

/** The same text as one string: thousands of resources have the mesh, the zone and most label values in common. Begins anew when it is full. */
function shared(text: string): string {
  const known = sharedStrings.get(text)
  if (known !== undefined) return known
  if (sharedStrings.size >= mostShared) sharedStrings.clear()
  sharedStrings.set(text, text)
  return text
}

interface AnyLike {
  readonly typeUrl?: string | undefined
  readonly value?: Uint8Array | undefined
}

function jsonAny(value: unknown): AnyLike {
  return { typeUrl: '', value: Buffer.from(JSON.stringify(value ?? {}), 'utf8') }
}

/** Equal to packing the spec as a whole: fields go by number, and the lasting ones are the last. */
function protoAny(kind: ResourceDescriptor, spec: unknown): AnyLike {
  const { lasting } = kind.wire
  const { typeUrl } = namedCodec(kind.wire.spec)
  if (!lasting || !isObject(spec)) return { typeUrl, value: packed(kind, spec) }
  const rest = Object.fromEntries(Object.entries(spec).filter(([member]) => !lasting.includes(member)))
  return { typeUrl, value: Buffer.concat([packed(kind, rest), ...lasting.map((member) => packedMember(kind, member, spec[member]))]) }
}

function packed(kind: ResourceDescriptor, spec: unknown): Uint8Array {
  const message = namedCodec(kind.wire.spec)
  return message.encode(message.fromJson(inKeyOrder(kind.spec, spec ?? {})))
}

const nothing = new Uint8Array(0)
/** By message and member; values are immutable. */
const packedMembers = new Map<string, WeakMap<object, Uint8Array>>()

function packedMember(kind: ResourceDescriptor, member: string, value: unknown): Uint8Array {
  if (value === undefined) return nothing
  if (typeof value !== 'object' || value === null) return packed(kind, { [member]: value })
  const key = `${kind.wire.spec}.${member}`
  let known = packedMembers.get(key)
  if (!known) packedMembers.set(key, (known = new WeakMap()))
  let bytes = known.get(value)
  if (!bytes) known.set(value, (bytes = packed(kind, { [member]: value })))
  return bytes
}

function parseJson(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined || bytes.length === 0) return {}
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) ?? {}
}

function parseStatus(bytes: Uint8Array | undefined): unknown {
  try {
    return parseJson(bytes)
  } catch {
    return {}
  }
}

function parseProto(name: string, any: AnyLike | undefined): unknown {
  if (any === undefined) return {}
  if (anyName(any) !== name) throw new Error(`its spec is a ${JSON.stringify(anyName(any).slice(0, 100))}, not a ${name}`)
  const message = namedCodec(name)
  return message.toJson(message.decode(any.value ?? new Uint8Array(0)))
}
