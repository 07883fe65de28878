// From wire bytes to checked resources, one by one: a bad one is named and left out, the others go on.
import { AppError, messageOf } from '@weft/foundation/errors'
import { decodeKdsResource, type KdsResource, nameKey, type ResourceDescriptor, type ResourceKey, validateResource } from '@weft/resources'
import { type Incoming, type RefusedResource, splitWireName, violationText } from './incoming.ts'
import { kumaResourceUrl, seqOf, tooLargeUrl, type WireResource } from './wire.ts'

/** What became of the resources of one response. */
export interface DecodedResponse {
  readonly resources: readonly KdsResource[]
  /** Keys of everything the response lists, also of what cannot be used: none of it is missing. */
  readonly keys: readonly ResourceKey[]
  readonly refused: readonly RefusedResource[]
  /** By key (`mesh/name`) the change of the origin's store that made the resource; only of own peers. */
  readonly origins: ReadonlyMap<string, number>
}

const slice = 128

/** Decodes and checks; gives other events their turn between slices. */
export async function decodeIncoming(
  resources: readonly WireResource[],
  { kind, incoming }: { readonly kind: ResourceDescriptor; readonly incoming: Incoming },
): Promise<DecodedResponse> {
  const good = new Map<string, KdsResource>()
  const keys: ResourceKey[] = []
  const refused: RefusedResource[] = []
  const origins = new Map<string, number>()
  for (const [index, wire] of resources.entries()) {
    if (index > 0 && index % slice === 0) await new Promise((resolve) => setImmediate(resolve))
    const outcome = decodeOne(wire, kind, incoming)
    keys.push(outcome.key)
    if (outcome.failure === undefined) {
      good.set(nameKey(outcome.key), outcome.resource)
      if (outcome.origin !== undefined) origins.set(nameKey(outcome.key), outcome.origin)
    } else refused.push({ key: outcome.key, wireName: wire.name, reason: outcome.failure })
  }
  return { resources: [...good.values()], keys, refused, origins }
}

type Outcome =
  | { readonly key: ResourceKey; readonly resource: KdsResource; readonly origin: number | undefined; readonly failure?: undefined }
  | { readonly key: ResourceKey; readonly failure: string }

function decodeOne(wire: WireResource, kind: ResourceDescriptor, incoming: Incoming): Outcome {
  const announced = splitWireName(kind.type, wire.name)
  let key = { ...announced, name: incoming.storedName(announced.name) }
  try {
    if (wire.typeUrl === tooLargeUrl) return { key, failure: 'is larger than a message may be and was not sent' }
    if (!isKumaResource(wire.typeUrl)) return { key, failure: `is a ${JSON.stringify(wire.typeUrl.slice(0, 200))}, not a KumaResource` }
    const decoded = decodeKdsResource(kind, wire.value)
    const resource = incoming.adopt(kind, { ...decoded, name: incoming.storedName(decoded.name) }, wire.value)
    key = { type: kind.type, mesh: resource.mesh, name: resource.name }
    const violations = validateResource(kind, resource, { from: 'peer' })
    return violations.length > 0 ? { key, failure: violationText(violations) } : { key, resource, origin: seqOf(decoded.version) }
  } catch (error) {
    const violations = error instanceof AppError ? error.violations : []
    return { key, failure: violations.length > 0 ? violationText(violations) : messageOf(error) }
  }
}

function isKumaResource(typeUrl: string): boolean {
  return typeUrl.slice(typeUrl.lastIndexOf('/')) === kumaResourceUrl.slice(kumaResourceUrl.lastIndexOf('/'))
}
