// What a proxy says of itself: node id and metadata of the first message of a stream (contract/dataplane.md section 3.1).
import { field, isObject, type JsonObject, numberField, objectField, textField, textsField } from '@weft/foundation/json'
import { AppError } from '@weft/foundation/errors'
import type { OtelEnvFact, ProxyMetadata, TransparentProxyFact } from '@weft/facts'
import { codec, type Messages } from '@weft/proto'
import type { DataplaneSpec } from '@weft/resources'
import { type DataplaneDocument, parseDataplane } from './dataplane-document.ts'

/** A proxy as its node describes it; nothing of it is proven yet. */
export interface ProxyHello {
  readonly mesh: string
  readonly name: string
  /** `mesh/name`. */
  readonly key: string
  readonly metadata: ProxyMetadata
  /** The Dataplane the proxy brings; absent where the resource is made elsewhere. */
  readonly document: DataplaneDocument | undefined
  /** For insights: `version` of the metadata, and all of it. */
  readonly version: JsonObject
  readonly raw: JsonObject
}

type Node = Messages['envoy.config.core.v3.Node']
const struct = codec('google.protobuf.Struct')
/** Metadata of more bytes is refused. */
const maxMetadataBytes = 512 * 1024

/** Mesh and name of a node id: the mesh ends at the first dot, names may hold dots. Errors: xds/bad-request. */
export function parseNodeId(id: string): { readonly mesh: string; readonly name: string } {
  const dot = id.indexOf('.')
  const mesh = id.slice(0, Math.max(dot, 0))
  const name = id.slice(dot + 1)
  if (dot < 1 || name === '' || id.length > 512 || id.includes('/')) {
    throw new AppError('xds/bad-request', 'node id must be <mesh>.<name>')
  }
  return { mesh, name }
}

/**
 * Reads the node of a first message. Errors: xds/bad-request when the id is malformed, the proxy is of another type, or the Dataplane it
 * brings is unreadable, invalid or of another name.
 */
export function readNode(node: Node | undefined | null): ProxyHello {
  if (!node) throw new AppError('xds/bad-request', 'first message of the stream has no node')
  const { mesh, name } = parseNodeId(node.id ?? '')
  const raw = metadataOf(node)
  const proxyType = textField(raw, 'dataplane.proxyType') || 'dataplane'
  if (proxyType !== 'dataplane') {
    throw new AppError(
      'xds/bad-request',
      `proxies of type "${proxyType.slice(0, 50)}" are not served: zone proxies are Dataplanes with listeners`,
    )
  }
  const text = textField(raw, 'dataplane.resource')
  const document = text === '' ? undefined : readDocument(text)
  if (document && (document.mesh !== mesh || document.name !== name)) {
    throw new AppError('xds/bad-request', `proxyId {${mesh} ${name}} does not match proxy resource {${document.mesh} ${document.name}}`)
  }
  return {
    mesh,
    name,
    key: `${mesh}/${name}`,
    metadata: proxyMetadata(raw, document?.spec),
    document,
    version: objectField(raw, 'version') ?? {},
    raw,
  }
}

function readDocument(text: string): DataplaneDocument {
  try {
    return parseDataplane(text)
  } catch (error) {
    if (error instanceof AppError) throw new AppError('xds/bad-request', error.message, { cause: error, violations: error.violations })
    throw error
  }
}

function metadataOf(node: Node): JsonObject {
  if (!node.metadata) return {}
  const metadata: unknown = struct.toJson(node.metadata)
  const json = isObject(metadata) ? metadata : {}
  if (JSON.stringify(json).length > maxMetadataBytes) throw new AppError('xds/bad-request', 'node metadata is too large')
  return json
}

/** The part of the metadata that determines configuration. Launchers that do not announce redirection have it in their Dataplane. */
export function proxyMetadata(raw: JsonObject, spec?: DataplaneSpec): ProxyMetadata {
  const transparentProxy = objectField(raw, 'transparentProxy')
  return {
    features: [...new Set(textsField(raw, 'features'))].sort(),
    workdir: textField(raw, 'workdir'),
    adminAddress: textField(raw, 'dataplane.admin.address') || '127.0.0.1',
    adminPort: numberField(raw, 'dataplane.admin.port'),
    adminSocketPath: textField(raw, 'dataplane.admin.socketPath') || undefined,
    readinessPort: numberField(raw, 'dataplane.readinessReporter.port'),
    dnsPort: numberField(raw, 'dataplane.dns.port'),
    ipv6Enabled: field(raw, 'ipv6Enabled') !== false,
    systemCaPath: textField(raw, 'systemCaPath'),
    metricsCertPath: textField(raw, 'metricsCertPath'),
    metricsKeyPath: textField(raw, 'metricsKeyPath'),
    hostIp: textField(objectField(raw, 'dynamicMetadata'), 'HOST_IP'),
    otelEnv: otelEnvOf(objectField(raw, 'otelEnvInventory')),
    transparentProxy: transparentProxy ? redirection(transparentProxy) : declaredRedirection(spec),
  }
}

function otelEnvOf(inventory: JsonObject | undefined): OtelEnvFact | undefined {
  if (inventory === undefined) return undefined
  const signal = (name: string): OtelEnvFact['signals']['logs'] => {
    const found = objectField(inventory, name)
    return { present: hasInput(found), overrideKinds: textsField(found, 'overrideKinds') }
  }
  return {
    shared: hasInput(objectField(inventory, 'shared')),
    signals: { traces: signal('traces'), logs: signal('logs'), metrics: signal('metrics') },
    validationErrors: textsField(inventory, 'validationErrors'),
  }
}

/** Whether any variable of this scope is set. How an endpoint reads is only said of one that is present. */
function hasInput(scope: JsonObject | undefined): boolean {
  return Object.entries(scope ?? {}).some(
    ([name, value]) =>
      value === true || (typeof value === 'string' && value !== '') || (name === 'overrideKinds' && textsField(scope, name).length > 0),
  )
}

function declaredRedirection(spec: DataplaneSpec | undefined): TransparentProxyFact | undefined {
  const declared = spec?.networking?.transparentProxying
  const inboundPort = declared?.redirectPortInbound ?? 0
  const outboundPort = declared?.redirectPortOutbound ?? 0
  if (inboundPort === 0 && outboundPort === 0) return undefined
  const mode = declared?.ipFamilyMode
  return { inboundPort, outboundPort, ipv4: mode !== 'IPv6', ipv6: mode !== 'IPv4', dnsEnabled: outboundPort !== 0 }
}

/** Undefined while neither direction is redirected. */
function redirection(config: JsonObject): TransparentProxyFact | undefined {
  const redirect = objectField(config, 'redirect')
  const [inbound, outbound, dns] = [objectField(redirect, 'inbound'), objectField(redirect, 'outbound'), objectField(redirect, 'dns')]
  const isOn = (direction: JsonObject | undefined): boolean => direction !== undefined && field(direction, 'enabled') !== false
  if (!isOn(inbound) && !isOn(outbound)) return undefined
  const mode = textField(config, 'ipFamilyMode').toLowerCase()
  return {
    inboundPort: isOn(inbound) ? numberField(inbound, 'port') : 0,
    outboundPort: isOn(outbound) ? numberField(outbound, 'port') : 0,
    ipv4: mode !== 'ipv6',
    ipv6: mode !== 'ipv4',
    dnsEnabled: field(dns, 'enabled') === true,
  }
}
