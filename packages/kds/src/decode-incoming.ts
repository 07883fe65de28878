// From wire bytes to checked resources, one by one: a bad one is named and left out, the others go on.
import { AppError, messageOf } from '@weft/foundation/errors'
import { decodeKdsResource, type KdsResource, type ResourceDescriptor, type ResourceKey, validateResource } from '@weft/resources'
import { describeFailure, type Incoming, splitWireName } from './incoming.ts'
import { kumaResourceUrl, type WireResource } from './wire.ts'

/** What became of the resources of one response. */
export interface DecodedResponse {
  readonly resources: readonly KdsResource[]
  /** Keys of everything the response lists, also of what cannot be used: none of it is missing. */
  readonly keys: readonly ResourceKey[]
  readonly failedKeys: readonly ResourceKey[]
  readonly failures: readonly string[]
}

const slice = 128

/** Decodes and checks; gives other events their turn between slices. */
export async function decodeIncoming(
  resources: readonly WireResource[],
  { kind, incoming }: { readonly kind: ResourceDescriptor; readonly incoming: Incoming },
): Promise<DecodedResponse> {
  const good = new Map<string, KdsResource>()
  const keys: ResourceKey[] = []
  const failedKeys: ResourceKey[] = []
  const failures: string[] = []
  for (const [index, wire] of resources.entries()) {
    if (index > 0 && index % slice === 0) await new Promise((resolve) => setImmediate(resolve))
    const outcome = decodeOne(wire, kind, incoming)
    keys.push(outcome.key)
    if (outcome.failure === undefined) good.set(`${outcome.key.mesh}/${outcome.key.name}`, outcome.resource)
    else {
      failedKeys.push(outcome.key)
      failures.push(outcome.failure)
    }
  }
  return { resources: [...good.values()], keys, failedKeys, failures }
}

type Outcome =
  | { readonly key: ResourceKey; readonly resource: KdsResource; readonly failure?: undefined }
  | { readonly key: ResourceKey; readonly failure: string }

function decodeOne(wire: WireResource, kind: ResourceDescriptor, incoming: Incoming): Outcome {
  const announced = splitWireName(kind.type, wire.name)
  let key = { ...announced, name: incoming.storedName(announced.name) }
  try {
    if (!isKumaResource(wire.typeUrl))
      return { key, failure: describeFailure(key, `is a ${JSON.stringify(wire.typeUrl.slice(0, 200))}, not a KumaResource`) }
    const decoded = decodeKdsResource(kind, wire.value)
    const resource = incoming.adopt(kind, { ...decoded, name: incoming.storedName(decoded.name) })
    key = { type: kind.type, mesh: resource.mesh, name: resource.name }
    const violations = validateResource(kind, resource, { from: 'peer' })
    return violations.length > 0 ? { key, failure: describeFailure(key, violations) } : { key, resource }
  } catch (error) {
    const violations = error instanceof AppError ? error.violations : []
    return { key, failure: describeFailure(key, violations.length > 0 ? violations : messageOf(error)) }
  }
}

function isKumaResource(typeUrl: string): boolean {
  return typeUrl.slice(typeUrl.lastIndexOf('/')) === kumaResourceUrl.slice(kumaResourceUrl.lastIndexOf('/'))
}
