// The `OTEL_EXPORTER_OTLP_*` variables of the launcher: once for all signals and once for each (OpenTelemetry protocol exporter specification), and what of
// them the control plane is told in the bootstrap request: which are set, never what they hold (contract/dataplane.md section 2.1).

export const signals = ['traces', 'logs', 'metrics'] as const
export type Signal = (typeof signals)[number]

/** The variables of one layer; absent when unset or blank. */
export interface OtlpLayer {
  readonly endpoint?: string
  readonly protocol?: string
  readonly headers?: string
  readonly timeout?: string
  readonly compression?: string
  readonly insecure?: string
  readonly certificate?: string
  readonly clientCertificate?: string
  readonly clientKey?: string
}

export interface OtlpEnv {
  readonly shared: OtlpLayer
  readonly signals: Readonly<Record<Signal, OtlpLayer>>
}

export type OtlpProtocol = 'grpc' | 'http/protobuf'

/** In the order in which the reference writes them. */
const fields: readonly (readonly [keyof OtlpLayer, string])[] = [
  ['endpoint', 'ENDPOINT'],
  ['protocol', 'PROTOCOL'],
  ['headers', 'HEADERS'],
  ['timeout', 'TIMEOUT'],
  ['compression', 'COMPRESSION'],
  ['insecure', 'INSECURE'],
  ['certificate', 'CERTIFICATE'],
  ['clientCertificate', 'CLIENT_CERTIFICATE'],
  ['clientKey', 'CLIENT_KEY'],
]

/** Reads the variables. */
export function readOtlpEnv(env: Readonly<Record<string, string | undefined>>): OtlpEnv {
  const layer = (prefix: string): OtlpLayer =>
    Object.fromEntries(
      fields.flatMap(([field, suffix]) => {
        const value = env[`OTEL_EXPORTER_OTLP_${prefix}${suffix}`]?.trim() ?? ''
        return value === '' ? [] : [[field, value]]
      }),
    )
  return { shared: layer(''), signals: { traces: layer('TRACES_'), logs: layer('LOGS_'), metrics: layer('METRICS_') } }
}

/** What the bootstrap request says of the variables. Layers without any are left out. */
export function otlpInventory({ shared, signals: own }: OtlpEnv): object {
  const errors: string[] = []
  const scopes: Record<string, object> = {}
  for (const [name, layer] of [['shared', shared] as const, ...signals.map((signal) => [signal, own[signal]] as const)]) {
    if (Object.keys(layer).length === 0) continue
    const wrong = errorsOf(layer, name === 'shared' ? {} : shared).map((problem) => `${name}.${problem}`)
    errors.push(...wrong)
    scopes[name] = scopeInventory(name, layer, name === 'shared' ? undefined : shared, wrong)
  }
  return { pipeEnabled: true, ...scopes, ...(errors.length > 0 ? { validationErrors: errors } : {}) }
}

function scopeInventory(name: string, layer: OtlpLayer, shared: OtlpLayer | undefined, errors: readonly string[]): object {
  const url = layer.endpoint === undefined ? undefined : readEndpoint(layer.endpoint)
  const present = fields.flatMap(([field]) => {
    if (layer[field] === undefined) return []
    const also = field === 'endpoint' && url ? { endpointParsedAsURL: true, ...(url.path === '' ? {} : { endpointHasPath: true }) } : {}
    return Object.entries({ [`${field}Present`]: true, ...also })
  })
  const overrides = shared === undefined ? [] : fields.map(([field]) => field).filter((field) => overridden(field, layer, shared))
  return {
    signal: name,
    ...Object.fromEntries(present),
    ...(layer.protocol === undefined ? {} : { effectiveProtocol: readProtocol(layer.protocol) ?? 'unknown' }),
    effectiveAuthMode: authMode(layer),
    ...(overrides.length > 0 ? { overrideKinds: overrides.toSorted() } : {}),
    ...(errors.length > 0 ? { validationErrors: errors } : {}),
  }
}

function overridden(field: keyof OtlpLayer, layer: OtlpLayer, shared: OtlpLayer): boolean {
  return layer[field] !== undefined && layer[field] !== shared[field]
}

function errorsOf(layer: OtlpLayer, shared: OtlpLayer): readonly string[] {
  const { endpoint, protocol, compression, timeout, clientCertificate, clientKey } = layer
  const spoken = protocol ?? shared.protocol ?? 'grpc'
  const hasPath = endpoint !== undefined && (readEndpoint(endpoint)?.path ?? '') !== ''
  return [
    ...(protocol !== undefined && readProtocol(protocol) === undefined ? ['protocol'] : []),
    // gRPC has no path in an address
    ...(hasPath && readProtocol(spoken) === 'grpc' ? ['endpoint'] : []),
    ...(compression !== undefined && readCompression(compression) === undefined ? ['compression'] : []),
    ...(timeout !== undefined && readTimeout(timeout) === undefined ? ['timeout'] : []),
    ...((clientCertificate === undefined) === (clientKey === undefined) ? [] : ['mtls']),
  ]
}

function authMode({ headers, certificate, clientCertificate, clientKey }: OtlpLayer): string {
  if (clientCertificate !== undefined && clientKey !== undefined) return 'mtls'
  if (certificate !== undefined) return 'tls'
  return headers === undefined ? 'none' : 'headers'
}

/** An endpoint written as a URL; undefined for a bare address. The path is '' when there is none. */
export function readEndpoint(text: string): { readonly scheme: string; readonly host: string; readonly path: string } | undefined {
  const found = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/?#@]*@)?([^/?#@]+)([^?#]*)/i.exec(text)
  return found ? { scheme: (found[1] ?? '').toLowerCase(), host: found[2] ?? '', path: found[3] ?? '' } : undefined
}

export function readProtocol(text: string): OtlpProtocol | undefined {
  return text === 'grpc' || text === 'http/protobuf' ? text : undefined
}

export function readCompression(text: string): 'gzip' | 'none' | undefined {
  const lower = text.toLowerCase()
  return lower === 'gzip' || lower === 'none' ? lower : undefined
}

/** Whole milliseconds. */
export function readTimeout(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

/** `key=value` pairs with percent-encoded values, separated by commas. What is no pair, or no header, is left out. */
export function readHeaders(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').flatMap((part): (readonly [string, string])[] => {
    const [, key = '', raw = ''] = /^\s*([!#$%&'*+.^`|~\w-]+)\s*=\s*([^;]*?)\s*(?:;.*)?$/.exec(part) ?? []
    const value = decoded(raw)
    return key === '' || value === undefined || !/^[\x20-\x7e]*$/.test(value) ? [] : [[key.toLowerCase(), value]]
  })
  return Object.fromEntries(pairs)
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
