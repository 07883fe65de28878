// Turns the bytes of an Envoy message into what streams send: a framed Resource with a content hash for a version, made once for all proxies.
import { contentHash, frame, str, wrap } from '@weft/proto'
import type { EncodedResource, XdsType } from './contract.ts'
import { typeUrls } from './type-urls.ts'

/** What a resource makes Envoy ask for or rely on. */
export type ResourceNeeds = NonNullable<EncodedResource['needs']>

// fields of google.protobuf.Any, of envoy.service.discovery.v3.Resource and of DeltaDiscoveryResponse
const anyTypeUrl = 1
const anyValue = 2
const resourceVersion = 1
const resourceBody = 2
const resourceName = 3
const responseResources = 2
const listenerAddress = 2

/**
 * `message` is the serialized Cluster, ClusterLoadAssignment, Listener or Secret called `name`. The version depends on its bytes alone, so
 * the caller has to encode deterministically. Listeners should name the clusters they use in `needs`, clusters their load assignments.
 */
export function encodeResource(type: XdsType, name: string, message: Uint8Array, needs?: ResourceNeeds): EncodedResource {
  const version = contentHash(message)
  const body = wrap(resourceBody, [str(anyTypeUrl, typeUrls[type]), frame(anyValue, message)])
  const address = type === 'listener' ? addressOf(message) : undefined
  return {
    name,
    version,
    frame: wrap(responseResources, [str(resourceVersion, version), body, str(resourceName, name)]),
    ...(needs === undefined ? {} : { needs }),
    ...(address === undefined ? {} : { address }),
  }
}

/** The bytes of a Listener's `address` field as text: equal for equal addresses from the same encoder. */
function addressOf(message: Uint8Array): string | undefined {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = message[at++] ?? 0
      value += (byte & 127) * 2 ** shift
      if (byte < 128) break
    }
    return value
  }
  while (at < message.length) {
    const tag = varint()
    const wireType = tag & 7
    if (wireType === 2) {
      const length = varint()
      if (tag >>> 3 === listenerAddress) return Buffer.from(message.subarray(at, at + length)).toString('latin1')
      at += length
    } else if (wireType === 0) varint()
    else if (wireType === 1) at += 8
    else if (wireType === 5) at += 4
    else return undefined
  }
  return undefined
}
