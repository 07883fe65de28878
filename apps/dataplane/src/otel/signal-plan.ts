// Where the launcher sends a signal that it takes for a collector: what the control plane says in `/otel`, and what the launcher's environment adds or
// overrides where the policy lets it (contract/dataplane.md section 10, contract/resources.md MeshOpenTelemetryBackend).
import { field, listField, objectField, textField, textsField } from '@weft/foundation/json'
import { parseDuration } from '@weft/foundation/time'
import {
  type OtlpEnv,
  type OtlpLayer,
  type OtlpProtocol,
  readCompression,
  readEndpoint,
  readHeaders,
  readProtocol,
  readTimeout,
  type Signal,
  signals,
} from './otlp-env.ts'

/** One collector as it is dialled for one signal. */
export interface Destination {
  readonly protocol: OtlpProtocol
  /** `host:port`; for gRPC also any other target it knows. */
  readonly endpoint: string
  readonly tls: boolean
  /** Of the URL; '' for gRPC. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly gzip: boolean
  readonly timeoutMs: number
  /** Files of authorities and of a client certificate. */
  readonly certificate?: string
  readonly clientCertificate?: string
  readonly clientKey?: string
}

/** Plain gRPC to a target as gRPC writes it: `host:port` or `unix:/path`. */
export function plainDestination(target: string): Destination {
  return { protocol: 'grpc', endpoint: target, tls: false, path: '', headers: {}, gzip: false, timeoutMs: defaultTimeoutMs }
}

/** What becomes of a signal: sent on, or refused with a reason. */
export type SignalPlan = { readonly to: Destination; readonly refreshIntervalMs?: number } | { readonly unavailable: string }

/** One backend of `/otel`. */
export interface BackendPlan {
  readonly name: string
  readonly socketPath: string
  readonly signals: Readonly<Record<Signal, SignalPlan>>
}

/** Default of OpenTelemetry's exporters. */
const defaultTimeoutMs = 10_000

/** The backends of an `/otel` body. Entries without a socket are left out; `hostIp` stands for an address that the control plane left open. */
export function backendPlans(config: unknown, env: OtlpEnv, hostIp: string): readonly BackendPlan[] {
  return listField(config, 'backends').flatMap((backend) => {
    const socketPath = textField(backend, 'socketPath')
    if (socketPath === '') return []
    const plans = Object.fromEntries(signals.map((signal) => [signal, signalPlan(backend, signal, { env, hostIp })]))
    // an entry for each signal was made just now
    return [{ name: textField(backend, 'name'), socketPath, signals: plans as BackendPlan['signals'] }]
  })
}

function signalPlan(backend: unknown, signal: Signal, { env, hostIp }: { readonly env: OtlpEnv; readonly hostIp: string }): SignalPlan {
  const plan = objectField(backend, signal)
  if (field(plan, 'enabled') !== true) return { unavailable: 'no policy sends this signal here' }
  const blocked = textsField(plan, 'blockedReasons')
  const missing = textsField(plan, 'missingFields')
  if (missing.length > 0) return { unavailable: `the environment of the launcher lacks ${missing.join(', ')}` }
  if (blocked.includes('RequiredEnvMissing')) return { unavailable: 'the policy asks for OTEL_EXPORTER_OTLP_* variables that are not set' }
  const heard = blocked.includes('EnvDisabledByPolicy') || blocked.includes('MultipleBackendsForSignal') ? [] : [env.shared]
  // the more specific first
  const layers = heard.length > 0 && !blocked.includes('SignalOverridesBlocked') ? [env.signals[signal], ...heard] : heard
  const policy = objectField(backend, 'envPolicy')
  const explicit = explicitDestination(backend, signal, hostIp)
  const to = withEnv(explicit, layers, {
    signal,
    prefersEnv: policy !== undefined && textField(policy, 'precedence') !== 'ExplicitFirst',
    basePath: textField(backend, 'path'),
    own: env.signals[signal],
  })
  if (to.endpoint === '') return { unavailable: 'the backend has no address' }
  const interval = parseDuration(textField(plan, 'refreshInterval'))
  return interval !== undefined && interval > 0 ? { to, refreshIntervalMs: interval } : { to }
}

function explicitDestination(backend: unknown, signal: Signal, hostIp: string): Destination {
  const isHttp = field(backend, 'useHTTP') === true
  const endpoint = textField(backend, 'endpoint')
  return {
    protocol: isHttp ? 'http/protobuf' : 'grpc',
    endpoint: endpoint.startsWith(':') ? `${hostIp.includes(':') ? `[${hostIp}]` : hostIp}${endpoint}` : endpoint,
    tls: field(backend, 'useHTTPS') === true,
    path: isHttp ? signalPath(textField(backend, 'path'), signal) : '',
    headers: {},
    gzip: false,
    timeoutMs: defaultTimeoutMs,
  }
}

function signalPath(base: string, signal: Signal): string {
  return `/${[...base.split('/').filter(Boolean), 'v1', signal].join('/')}`
}

interface EnvUse {
  readonly signal: Signal
  /** The environment wins over what the backend says. Else it adds what a backend cannot say: headers, compression, timeout, certificates. */
  readonly prefersEnv: boolean
  readonly basePath: string
  readonly own: OtlpLayer
}

function withEnv(explicit: Destination, layers: readonly OtlpLayer[], { signal, prefersEnv, basePath, own }: EnvUse): Destination {
  const first = <V>(read: (layer: OtlpLayer) => V | undefined): V | undefined =>
    layers.map(read).find((value): value is V & {} => value !== undefined)
  const protocol = (prefersEnv ? first((layer) => layer.protocol && readProtocol(layer.protocol)) : undefined) || explicit.protocol
  const path = protocol === 'grpc' ? '' : explicit.path || signalPath(basePath, signal)
  const address = prefersEnv ? first((layer) => addressOf(layer, { signal, protocol, isOwn: layer === own })) : undefined
  const pair = first((layer) => (layer.clientCertificate !== undefined && layer.clientKey !== undefined ? layer : undefined))
  const certificate = first((layer) => layer.certificate)
  const headers = first((layer) => {
    const read = readHeaders(layer.headers ?? '')
    return Object.keys(read).length > 0 ? read : undefined
  })
  const compression = first((layer) => (layer.compression === undefined ? undefined : readCompression(layer.compression)))
  const timeoutMs = first((layer) => (layer.timeout === undefined ? undefined : readTimeout(layer.timeout)))
  const insecure = prefersEnv ? first((layer) => layer.insecure) : undefined
  return {
    ...explicit,
    protocol,
    endpoint: address?.endpoint ?? explicit.endpoint,
    tls: address?.tls ?? (insecure === undefined ? explicit.tls : insecure.toLowerCase() !== 'true'),
    path: address?.path ?? path,
    headers: headers ?? {},
    gzip: compression === 'gzip',
    // 0 means none to OpenTelemetry; a request that is never given up would hold its place forever
    timeoutMs: timeoutMs || defaultTimeoutMs,
    ...(certificate === undefined ? {} : { certificate }),
    ...(pair?.clientCertificate === undefined || pair.clientKey === undefined
      ? {}
      : { clientCertificate: pair.clientCertificate, clientKey: pair.clientKey }),
  }
}

interface Address {
  readonly endpoint: string
  readonly tls: boolean | undefined
  readonly path: string | undefined
}

interface AddressUse {
  readonly signal: Signal
  readonly protocol: OtlpProtocol
  /** A signal's own URL is used as it is, the shared one is a base. */
  readonly isOwn: boolean
}

function addressOf({ endpoint }: OtlpLayer, { signal, protocol, isOwn }: AddressUse): Address | undefined {
  if (endpoint === undefined) return undefined
  const url = readEndpoint(endpoint)
  if (url === undefined) return { endpoint, tls: undefined, path: undefined }
  if (protocol === 'grpc' && url.path !== '') return undefined
  const path = protocol === 'grpc' ? '' : isOwn ? url.path || '/' : url.path === '' ? undefined : signalPath(url.path, signal)
  return { endpoint: url.host, tls: url.scheme !== 'http' && url.scheme !== 'unix', path }
}
