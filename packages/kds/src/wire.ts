// Messages of the sync streams as plain values, and the framed fast path: a response is a concatenation of resources framed once.
import { AppError, messageOf } from '@weft/foundation/errors'
import { codec, frame, str, wrap } from '@weft/proto'
import { partialMarker, positionMarker, sameMarker } from './features.ts'

/** `Any` type of every synced resource. Only the part after the last slash counts for a receiver. */
export const kumaResourceUrl = 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource'

/** 10 MiB: the limit of a message on both sides (contract/kds.md section 1). */
export const maxMessageBytes = 10 * 1024 * 1024

/** Who sends a request. */
export interface NodeValue {
  readonly id: string
  /** Plain JSON. */
  readonly metadata: unknown
}

/** A request as far as it is used here. */
export interface DeltaRequest {
  readonly node: NodeValue | undefined
  /** The bare type name. */
  readonly type: string
  readonly subscribes: boolean
  /** Of a subscribe: wire name to version, empty when the peer does not resume. Of an own peer's NACK: wire name to reason. */
  readonly initialVersions: ReadonlyMap<string, string>
  readonly nonce: string
  /** Text of a NACK. */
  readonly error: string | undefined
}

/** A resource in a response, packed. */
export interface WireResource {
  readonly name: string
  readonly version: string
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** A response as far as it is used here. */
export interface DeltaResponse {
  readonly type: string
  readonly nonce: string
  readonly resources: readonly WireResource[]
  readonly removed: readonly string[]
  /** More responses of the same first list follow. */
  readonly partial: boolean
  /** The first list is what this side offered by digest. */
  readonly same: boolean
  /** With this response the receiver has all of the type up to this change of the sender's store; undefined when the sender does not say. */
  readonly position: number | undefined
  /** `control_plane.identifier`: what the sender calls itself. Proves nothing. */
  readonly sender: string
}

const requests = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest')
const responses = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse')
const structs = codec('google.protobuf.Struct')

/** Decodes a request. Throws kds/bad-message. */
export function decodeRequest(bytes: Uint8Array): DeltaRequest {
  const message = decoded('request', () => requests.decode(bytes))
  return {
    node: message.node
      ? { id: message.node.id || '', metadata: message.node.metadata && structs.toJson(message.node.metadata) }
      : undefined,
    type: message.typeUrl || '',
    subscribes: (message.resourceNamesSubscribe ?? []).length > 0,
    initialVersions: new Map(Object.entries(message.initialResourceVersions ?? {})),
    nonce: message.responseNonce || '',
    error: message.errorDetail ? message.errorDetail.message || 'rejected without a reason' : undefined,
  }
}

/** Decodes a response. Its resources alias `bytes`. Throws kds/bad-message. */
export function decodeResponse(bytes: Uint8Array): DeltaResponse {
  const message = decoded('response', () => responses.decode(bytes))
  const markers = (message.systemVersionInfo || '').split(' ')
  return {
    type: message.typeUrl || '',
    nonce: message.nonce || '',
    resources: (message.resources ?? []).map((resource) => ({
      name: resource.name || '',
      version: resource.version || '',
      typeUrl: resource.resource?.typeUrl || '',
      value: resource.resource?.value ?? new Uint8Array(0),
    })),
    removed: [...(message.removedResources ?? [])],
    partial: markers.includes(partialMarker),
    same: markers.includes(sameMarker),
    position: seqOf(markers.find((marker) => marker.startsWith(positionMarker))?.slice(positionMarker.length)),
    sender: message.controlPlane?.identifier || '',
  }
}

/** What a request of ours says. */
export interface RequestFields {
  readonly type: string
  readonly node: NodeValue
  /** Present in a subscribe: the versions held already, empty for none. */
  readonly subscribe?: ReadonlyMap<string, string>
  readonly nonce?: string
  readonly error?: string | undefined
  /** Beside an error, to own peers: wire name to reason of what was refused; the rest of the response is accepted. */
  readonly refusals?: ReadonlyMap<string, string>
}

/** Encodes a subscribe, an ACK (nonce) or a NACK (nonce and error). A NACK subscribes again, as stock peers do. */
export function encodeRequest(fields: RequestFields): Uint8Array {
  const { node, error } = fields
  return requests.encode({
    node: { id: node.id, ...(node.metadata === undefined ? {} : { metadata: structs.fromJson(node.metadata) }) },
    typeUrl: fields.type,
    resourceNamesSubscribe: fields.subscribe || error !== undefined ? ['*'] : [],
    initialResourceVersions: Object.fromEntries(fields.subscribe ?? fields.refusals ?? []),
    responseNonce: fields.nonce ?? '',
    ...(error === undefined ? {} : { errorDetail: { message: error } }),
  })
}

/** A `Resource` with its tag, ready to be part of any response. */
export function frameResource(name: string, version: string, kumaResource: Uint8Array): Uint8Array {
  return wrap(2, [str(1, version), wrap(2, [str(1, kumaResourceUrl), frame(2, kumaResource)]), str(3, name)])
}

/** `Any` type that stands for a resource that is larger than any message may be; only towards own peers. */
export const tooLargeUrl = 'weft.io/TooLarge'

/** A `Resource` that only says that it is too large to be sent. */
export function frameTooLarge(name: string, version: string): Uint8Array {
  return wrap(2, [str(1, version), wrap(2, [str(1, tooLargeUrl)]), str(3, name)])
}

/** What a response of ours says. */
export interface ResponseFields {
  readonly type: string
  readonly nonce: string
  readonly sender: string
  readonly frames: readonly Uint8Array[]
  readonly removed: readonly string[]
  readonly partial?: boolean
  readonly same?: boolean
  readonly position?: number | undefined
}

/** A response from framed resources. */
export function composeResponse(fields: ResponseFields): Uint8Array {
  const markers = [
    ...(fields.partial ? [partialMarker] : []),
    ...(fields.same ? [sameMarker] : []),
    ...(fields.position === undefined ? [] : [`${positionMarker}${fields.position}`]),
  ]
  return Buffer.concat([
    ...(markers.length > 0 ? [str(1, markers.join(' '))] : []),
    ...fields.frames,
    str(4, fields.type),
    str(5, fields.nonce),
    ...fields.removed.map((name) => str(6, name)),
    wrap(7, [str(1, fields.sender)]),
  ])
}

/** A sequence number as text; undefined for anything else. */
export function seqOf(text: string | undefined): number | undefined {
  const seq = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(seq) ? seq : undefined
}

function decoded<T>(what: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw new AppError('kds/bad-message', `cannot decode a delta discovery ${what}: ${messageOf(error)}`, { cause: error })
  }
}
