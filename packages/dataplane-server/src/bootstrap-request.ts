// The request a launcher makes for its bootstrap, read from untrusted JSON (contract/dataplane.md section 2.1). Unknown keys are ignored.
import { field, isObject, type JsonObject, numberField, objectField, textField, textsField } from '@weft/foundation/json'

export interface BootstrapRequest {
  readonly mesh: string
  readonly name: string
  readonly proxyType: string
  readonly token: string
  readonly tokenPath: string
  /** JSON text of the Dataplane; '' when the resource is made elsewhere. */
  readonly dataplaneResource: string
  readonly kumaDp: JsonObject
  readonly envoy: JsonObject
  readonly dependencies: JsonObject | undefined
  readonly caCert: string
  readonly dynamicMetadata: Readonly<Record<string, string>>
  readonly otelEnv: JsonObject | undefined
  readonly dnsPort: number
  readonly readinessPort: number
  /** The wire calls it `appProbeProxyDisabled`, and means the opposite. */
  readonly appProbeProxy: boolean
  readonly features: readonly string[]
  readonly workdir: string
  readonly metricsCertPath: string
  readonly metricsKeyPath: string
  readonly systemCaPath: string
  readonly transparentProxy: JsonObject | undefined
  readonly ipv6Enabled: boolean
  readonly spireSocketPath: string
}

/** Undefined when the text is no JSON object. Fields of a wrong type read as absent. */
export function parseBootstrapRequest(text: string): BootstrapRequest | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(parsed)) return undefined
  const body = parsed
  const version = objectField(body, 'version')
  return {
    mesh: textField(body, 'mesh'),
    name: textField(body, 'name'),
    proxyType: textField(body, 'proxyType') || 'dataplane',
    token: textField(body, 'dataplaneToken').trim(),
    tokenPath: textField(body, 'dataplaneTokenPath'),
    dataplaneResource: textField(body, 'dataplaneResource'),
    kumaDp: objectField(version, 'kumaDp') ?? {},
    envoy: objectField(version, 'envoy') ?? {},
    dependencies: objectField(version, 'dependencies'),
    caCert: textField(body, 'caCert'),
    dynamicMetadata: texts(objectField(body, 'dynamicMetadata')),
    otelEnv: objectField(body, 'otelEnv'),
    dnsPort: numberField(body, 'dnsPort'),
    readinessPort: numberField(body, 'readinessPort'),
    appProbeProxy: field(body, 'appProbeProxyDisabled') === true,
    features: textsField(body, 'features'),
    workdir: textField(body, 'workdir'),
    metricsCertPath: textField(objectField(body, 'metricsResources'), 'certPath'),
    metricsKeyPath: textField(objectField(body, 'metricsResources'), 'keyPath'),
    systemCaPath: textField(body, 'systemCaPath'),
    transparentProxy: objectField(body, 'dataplaneConfig'),
    ipv6Enabled: field(body, 'ipv6Enabled') !== false,
    spireSocketPath: textField(objectField(body, 'spireResources'), 'socketPath'),
  }
}

function texts(object: JsonObject | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(object ?? {}).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])))
}
