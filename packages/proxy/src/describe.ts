// A proxy's configuration as JSON: for the REST API, previews and people. Private keys never leave.
import { isObject } from '@weft/foundation/json'
import { codec } from '@weft/proto'
import type { EncodedResource, ProxySnapshot, ResourceCell, XdsType } from '@weft/xds'

/** JSON of resources by type URL and name. */
export type ProxyDescription = Readonly<Record<string, Readonly<Record<string, unknown>>>>

const messageNames = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
} as const satisfies Record<XdsType, string>

/** All resources of a snapshot that have content, names sorted; certificates of the proxy itself are left out. */
export function describeSnapshot(snapshot: ProxySnapshot): ProxyDescription {
  const out: Record<string, Record<string, unknown>> = {}
  // The keys of a literal are known.
  for (const type of Object.keys(messageNames) as XdsType[]) {
    const section: Record<string, unknown> = Object.create(null)
    let any = false
    for (const name of [...snapshot[type].keys()].sort()) {
      const json = describeCell(type, snapshot[type].get(name))
      if (json === undefined) continue
      section[name] = json
      any = true
    }
    if (any) out[`type.googleapis.com/${messageNames[type]}`] = section
  }
  return out
}

function describeCell(type: XdsType, cell: ResourceCell | undefined): unknown {
  const current = cell?.current
  return current === undefined ? undefined : describeResource(type, current)
}

function describeResource(type: XdsType, resource: EncodedResource): unknown {
  const message = codec(messageNames[type])
  // The codec of a type decodes to what the same codec prints; the union of four hides that from the checker.
  const json = message.toJson(message.decode(messageBytes(resource)) as never)
  if (type === 'secret' && isObject(json) && Object.hasOwn(json, 'tlsCertificate')) return undefined
  return withoutKeys(json)
}

/** The message inside a frame: one `resources` field of a delta response. */
function messageBytes(resource: EncodedResource): Uint8Array {
  const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').decode(resource.frame)
  return response.resources?.[0]?.resource?.value ?? new Uint8Array(0)
}

/** Blanks inline certificates and their roots: of the admin listener (contract/dataplane.md section 14.3 shows none of them). */
function withoutKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutKeys)
  if (!isObject(value)) return value
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    out[key] =
      (key === 'certificateChain' || key === 'privateKey' || key === 'trustedCa') && isObject(item) && Object.hasOwn(item, 'inlineBytes')
        ? { inlineBytes: '' }
        : withoutKeys(item)
  }
  return out
}
