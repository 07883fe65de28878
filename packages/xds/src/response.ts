// The bytes of a DeltaDiscoveryResponse, put together from frames that exist already.
import { str, wrap } from '@weft/proto'
import type { EncodedResource } from './contract.ts'
import { typeUrls } from './type-urls.ts'

// fields of envoy.service.discovery.v3.DeltaDiscoveryResponse and ControlPlane
const systemVersion = 1
const typeUrl = 4
const nonceField = 5
const removedResource = 6
const controlPlane = 7
const identifier = 1

const typeUrlFrames: ReadonlyMap<string, Uint8Array> = new Map(Object.values(typeUrls).map((url) => [url, str(typeUrl, url)]))

export interface ResponseParts {
  readonly typeUrl: string
  readonly nonce: string
  readonly resources: readonly EncodedResource[]
  readonly removed: readonly string[]
  /** From `controlPlaneFrame`. */
  readonly controlPlane: Uint8Array
}

/** Field 7 of every response of one control plane. */
export function controlPlaneFrame(id: string): Uint8Array {
  return wrap(controlPlane, [str(identifier, id)])
}

/** One serialized response. The system version is the nonce: it differs from response to response, which is all Envoy shows it for. */
export function encodeResponse(parts: ResponseParts): Buffer {
  const frames: Uint8Array[] = [str(systemVersion, parts.nonce)]
  for (const resource of parts.resources) frames.push(resource.frame)
  frames.push(typeUrlFrames.get(parts.typeUrl) ?? str(typeUrl, parts.typeUrl), str(nonceField, parts.nonce))
  for (const name of parts.removed) frames.push(str(removedResource, name))
  frames.push(parts.controlPlane)
  return Buffer.concat(frames)
}

/** Splits resources into runs of at most `maxBytes`; a larger one goes alone. No resources: one empty run. */
export function chunkBySize(resources: readonly EncodedResource[], maxBytes: number): readonly (readonly EncodedResource[])[] {
  if (resources.reduce((sum, resource) => sum + resource.frame.length, 0) <= maxBytes) return [resources]
  const chunks: EncodedResource[][] = [[]]
  let size = 0
  for (const resource of resources) {
    if (size > 0 && size + resource.frame.length > maxBytes) {
      chunks.push([])
      size = 0
    }
    chunks.at(-1)?.push(resource)
    size += resource.frame.length
  }
  return chunks
}
