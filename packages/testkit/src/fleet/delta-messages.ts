// The two messages of delta ADS as a proxy handles them: it reads what came without building more of it than it keeps, and writes answers.
import { AppError, messageOf } from '@weft/foundation/errors'
import { codec, type google, type Messages, str, wrap } from '@weft/proto'
import { type ResourceSummary, type SimulatedType, simulatedTypes, simulatedTypeUrls, summarise } from './envoy-resource.ts'
import { endOfField, readerOf } from './resource-walk.ts'

/** One resource as the proxy holds it. */
export interface HeldResource extends ResourceSummary {
  readonly version: string
}

/** One resource of a response. */
export interface SentResource {
  readonly name: string
  /** As packed. */
  readonly value: Uint8Array
  /** Payload, name and version. */
  readonly bytes: number
  /** What the proxy makes of it, or why it cannot. */
  readonly read: HeldResource | string
}

/** A response. Of a type the proxy does not know no resource is read. */
export interface DeltaResponse {
  readonly typeUrl: string
  readonly type: SimulatedType | undefined
  readonly nonce: string
  readonly resources: readonly SentResource[]
  readonly removed: readonly string[]
}

type Request = Messages['envoy.service.discovery.v3.DeltaDiscoveryRequest']

const encoder = new TextEncoder()
const typeUrlFields = new Map<string, Uint8Array>()

/** A request that only answers: acknowledges the response of `nonce`, or refuses it when there is something to say against it. */
export function encodeAnswer(typeUrl: string, nonce: string, problem?: string): Uint8Array {
  if (problem !== undefined) {
    // INVALID_ARGUMENT is 3
    return encodeRequest({ typeUrl, responseNonce: nonce, errorDetail: { code: 3, message: problem } })
  }
  let first = typeUrlFields.get(typeUrl)
  if (!first) {
    first = str(2, typeUrl)
    if (isKnown(typeUrl)) typeUrlFields.set(typeUrl, first)
  }
  const text = encoder.encode(nonce)
  return Buffer.concat([first, wrap(6, [text])])
}

/** Any request. */
export function encodeRequest(request: Request): Uint8Array {
  return codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').encode(request)
}

/** Fields of DeltaDiscoveryResponse: resources 2, type_url 4, nonce 5, removed_resources 6. Throws `resource/undecodable` on other bytes. */
export function readResponse(message: Buffer): DeltaResponse {
  const reader = readerOf(message)
  const spans: number[] = []
  const removed: string[] = []
  let typeUrl = ''
  let nonce = ''
  try {
    while (reader.pos < reader.len) {
      const tag = reader.tag()
      if (tag === 18) {
        const to = endOfField(reader, reader.len)
        spans.push(reader.pos, to)
        reader.pos = to
      } else if (tag === 34) typeUrl = reader.stringVerify()
      else if (tag === 42) nonce = reader.stringVerify()
      else if (tag === 50) removed.push(reader.stringVerify())
      else reader.skipType(tag & 7, 0, tag >>> 3)
    }
    const type = simulatedTypes.find((candidate) => simulatedTypeUrls[candidate] === typeUrl)
    const resources: SentResource[] = []
    if (type) for (let at = 0; at < spans.length; at += 2) resources.push(sentResource(type, message, [spans[at] ?? 0, spans[at + 1] ?? 0]))
    return { typeUrl, type, nonce, resources, removed }
  } catch (error) {
    const text = `envoy.service.discovery.v3.DeltaDiscoveryResponse cannot be decoded: ${messageOf(error)}`
    throw new AppError('resource/undecodable', text, { cause: error })
  }
}

function isKnown(typeUrl: string): boolean {
  return simulatedTypes.some((type) => simulatedTypeUrls[type] === typeUrl)
}

interface Known {
  readonly bytes: Buffer
  readonly resource: SentResource
}

/** What was sent before, byte for byte: most proxies of a zone get the same resources, and each is read once. Found by `fingerprint`. */
const known: Record<SimulatedType, Map<number, Known[]>> = {
  cluster: new Map(),
  endpoint: new Map(),
  secret: new Map(),
  listener: new Map(),
  route: new Map(),
}
let knownBytes = 0
const maxKnownBytes = 32 << 20
const maxAlike = 8

function sentResource(type: SimulatedType, message: Buffer, [from, to]: readonly [number, number]): SentResource {
  const print = fingerprint(message, from, to)
  const alike = known[type].get(print)
  for (const { bytes, resource } of alike ?? []) if (bytes.length === to - from && bytes.compare(message, from, to) === 0) return resource
  // in memory of its own: the message is a part of what the connection read, and all of that would be kept
  const bytes = Buffer.from(message.subarray(from, to))
  const resource = readResource(type, bytes)
  if (knownBytes + bytes.length > maxKnownBytes) forgetKnown()
  knownBytes += bytes.length
  const list = known[type].get(print)
  if (!list) known[type].set(print, [{ bytes, resource }])
  else if (list.length < maxAlike) list.push({ bytes, resource })
  else list[print % maxAlike] = { bytes, resource }
  return resource
}

function forgetKnown(): void {
  for (const type of simulatedTypes) known[type].clear()
  knownBytes = 0
}

const ends = 48

/** A number that mostly differs where bytes differ, from both ends, which hold version and name, and the length. */
function fingerprint(bytes: Buffer, from: number, to: number): number {
  let hash = to - from
  const head = Math.min(to, from + ends)
  for (let at = from; at < head; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193)
  for (let at = Math.max(head, to - ends); at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193)
  return hash >>> 0
}

/** Fields of envoy.service.discovery.v3.Resource: version 1, resource 2 (type_url 1, value 2), name 3. */
function readResource(type: SimulatedType, bytes: Buffer): SentResource {
  const reader = readerOf(bytes)
  let version = ''
  let name = ''
  let resource: google.protobuf.Any = {}
  while (reader.pos < reader.len) {
    const tag = reader.tag()
    if (tag === 10) version = reader.stringVerify()
    else if (tag === 26) name = reader.stringVerify()
    else if (tag === 18) resource = codec('google.protobuf.Any').decode(reader.bytes())
    else reader.skipType(tag & 7, 0, tag >>> 3)
  }
  const value = resource.value ?? new Uint8Array(0)
  const size = Buffer.byteLength(name) + version.length + value.length
  return { name, value, bytes: size, read: tryReading(type, version, resource) }
}

function tryReading(type: SimulatedType, version: string, resource: google.protobuf.Any): HeldResource | string {
  try {
    return { ...summarise(type, resource), version }
  } catch (error) {
    return messageOf(error)
  }
}
