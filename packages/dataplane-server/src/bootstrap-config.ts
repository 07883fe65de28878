// The bootstrap of an Envoy as canonical JSON of envoy.config.bootstrap.v3.Bootstrap (contract/dataplane.md section 3).
// Invariant: what is returned passed the strict codec, so that Envoy and the launcher can read it.
import type { JsonObject } from '@weft/foundation/json'
import { isIP } from 'node:net'
import { codec } from '@weft/proto'
import { socketPath } from '@weft/envoy'
import type { BootstrapRequest } from './bootstrap-request.ts'

export interface BootstrapInput {
  readonly request: BootstrapRequest
  /** Value of kuma.io/workload; '' when absent. */
  readonly workload: string
  readonly adminPort: number
  readonly adminAddress: string
  /** Envoy's admin listens on a Unix socket in the working directory. */
  readonly adminSocket: boolean
  readonly xdsHost: string
  readonly xdsPort: number
  readonly xdsConnectTimeoutMs: number
  /** The host name resolves to IPv4 addresses only. */
  readonly ipv4Only: boolean
  /** PEM of what the proxy must trust to reach this control plane. */
  readonly caPem: string
  readonly hdsEnabled: boolean
  /** The proxy reads its token from this file on every use; '' puts the token of the request into the bootstrap. */
  readonly reloadableTokenPath: string
}

const bootstrap = codec('envoy.config.bootstrap.v3.Bootstrap')
const adsCluster = 'system_ads'
const accessLogCluster = 'system_access_log_sink'
const validationSecret = 'cp_validation_ctx'
const typeUrl = (name: string): string => `type.googleapis.com/${name}`

/** Errors: resource/undecodable when the result is no valid bootstrap, which only a wrong input can cause. */
export function buildBootstrap(input: BootstrapInput): JsonObject {
  const { request } = input
  const json = {
    node: {
      id: `${request.mesh}.${request.name}`,
      cluster: input.workload || 'unknown',
      metadata: nodeMetadata(input),
    },
    layeredRuntime: {
      layers: [{ name: 'kuma', staticLayer: { 're2.max_program_size.error_level': 4294967295, 're2.max_program_size.warn_level': 1000 } }],
    },
    defaultRegexEngine: {
      name: 'envoy.regex_engines.google_re2',
      typedConfig: { '@type': typeUrl('envoy.extensions.regex_engines.v3.GoogleRE2') },
    },
    statsConfig: {
      statsTags: [
        { tagName: 'name', regex: '^grpc\\.((.+)\\.)' },
        { tagName: 'status', regex: '^grpc.*streams_closed(_([0-9]+))' },
        { tagName: 'worker', regex: '(worker_([0-9]+)\\.)' },
        { tagName: 'listener', regex: '((.+?)\\.)rbac\\.' },
      ],
    },
    dynamicResources: {
      ldsConfig: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' },
      cdsConfig: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' },
      adsConfig: { apiType: 'DELTA_GRPC', ...streamSource(input) },
    },
    ...(input.hdsEnabled ? { hdsConfig: { apiType: 'GRPC', ...streamSource(input) } } : {}),
    admin: admin(input),
    staticResources: {
      clusters: [accessLogSink(request), ...(input.reloadableTokenPath === '' ? [adsClusterOf(input)] : [])],
      secrets: [
        {
          name: validationSecret,
          validationContext: {
            matchTypedSubjectAltNames: ['DNS', 'IP_ADDRESS'].map((sanType) => ({ sanType, matcher: { exact: input.xdsHost } })),
            trustedCa: { inlineBytes: Buffer.from(input.caPem).toString('base64') },
          },
        },
      ],
    },
  }
  bootstrap.fromJson(json)
  return json
}

function nodeMetadata({ request, ...input }: BootstrapInput): JsonObject {
  const { kumaDp, envoy } = request
  const dependencies = request.dependencies && Object.keys(request.dependencies).length > 0 ? { dependencies: request.dependencies } : {}
  return {
    version: {
      kumaDp: pick(kumaDp, ['version', 'gitTag', 'gitCommit', 'buildDate']),
      envoy: pick(envoy, ['version', 'build']),
      ...dependencies,
    },
    features: request.features,
    workdir: request.workdir,
    metricsCertPath: request.metricsCertPath,
    metricsKeyPath: request.metricsKeyPath,
    systemCaPath: request.systemCaPath,
    ipv6Enabled: request.ipv6Enabled,
    'spireAgent.socketPath': request.spireSocketPath,
    'dataplane.admin.port': String(input.adminPort),
    'dataplane.admin.address': input.adminAddress,
    'dataplane.readinessReporter.port': String(request.readinessPort),
    'dataplane.proxyType': 'dataplane',
    ...(request.dataplaneResource === '' ? {} : { 'dataplane.resource': request.dataplaneResource }),
    ...(input.adminSocket ? { 'dataplane.admin.socketPath': adminSocketPath(request.workdir) } : {}),
    ...(request.dnsPort > 0 ? { 'dataplane.dns.port': String(request.dnsPort) } : {}),
    ...(request.appProbeProxy ? { 'dataplane.appProbeProxy.enabled': 'true' } : {}),
    ...(Object.keys(request.dynamicMetadata).length > 0 ? { dynamicMetadata: request.dynamicMetadata } : {}),
    ...(request.transparentProxy ? { transparentProxy: request.transparentProxy } : {}),
    ...(request.otelEnv
      ? { otelEnvInventory: { shared: null, traces: null, logs: null, metrics: null, validationErrors: [], ...request.otelEnv } }
      : {}),
  }
}

/** Where Envoy's admin listens in a working directory. */
export function adminSocketPath(workdir: string): string {
  return socketPath(workdir, 'kuma-envoy-admin')
}

function pick(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(keys.map((key) => [key, Object.hasOwn(object, key) ? object[key] : '']))
}

function admin({ request, ...input }: BootstrapInput): JsonObject {
  const address = input.adminSocket
    ? { pipe: { path: adminSocketPath(request.workdir), mode: 384 } }
    : { socketAddress: { address: input.adminAddress, portValue: input.adminPort } }
  return {
    accessLog: [
      {
        name: 'envoy.access_loggers.file',
        typedConfig: { '@type': typeUrl('envoy.extensions.access_loggers.file.v3.FileAccessLog'), path: '/dev/null' },
      },
    ],
    address,
  }
}

/** The part that discovery and health discovery share. */
function streamSource(input: BootstrapInput): JsonObject {
  const service = input.reloadableTokenPath === '' ? envoyGrpc(input.request.token) : googleGrpc(input)
  return { transportApiVersion: 'V3', setNodeOnFirstMessageOnly: true, grpcServices: [service] }
}

function envoyGrpc(token: string): JsonObject {
  return {
    envoyGrpc: { clusterName: adsCluster },
    ...(token === '' ? {} : { initialMetadata: [{ key: 'authorization', value: token }] }),
  }
}

function googleGrpc(input: BootstrapInput): JsonObject {
  const plugin = 'envoy.grpc_credentials.file_based_metadata'
  const host = isIP(input.xdsHost) === 6 ? `[${input.xdsHost}]` : input.xdsHost
  const args = {
    'grpc.keepalive_time_ms': '10000',
    'grpc.keepalive_timeout_ms': '30000',
    'grpc.http2.max_pings_without_data': '0',
    'grpc.max_receive_message_length': '4194304',
  }
  return {
    googleGrpc: {
      targetUri: `${host}:${input.xdsPort}`,
      statPrefix: 'ads',
      credentialsFactoryName: plugin,
      channelCredentials: { sslCredentials: { rootCerts: { inlineBytes: Buffer.from(input.caPem).toString('base64') } } },
      callCredentials: [
        {
          fromPlugin: {
            name: plugin,
            typedConfig: {
              '@type': typeUrl('envoy.config.grpc_credential.v3.FileBasedMetadataConfig'),
              secretData: { filename: input.reloadableTokenPath },
            },
          },
        },
      ],
      channelArgs: { args: Object.fromEntries(Object.entries(args).map(([key, intValue]) => [key, { intValue }])) },
    },
  }
}

const http2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': typeUrl('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
    explicitHttpConfig: { http2ProtocolOptions: {} },
  },
}
const tcpKeepalive = { upstreamConnectionOptions: { tcpKeepalive: { keepaliveProbes: 3, keepaliveTime: 10, keepaliveInterval: 10 } } }

function loadAssignment(clusterName: string, address: JsonObject): JsonObject {
  return { clusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] }
}

function accessLogSink(request: BootstrapRequest): JsonObject {
  const path = socketPath(request.workdir, `kuma-al-${request.name}-${request.mesh}`)
  return {
    name: accessLogCluster,
    type: 'STATIC',
    connectTimeout: '1s',
    ...tcpKeepalive,
    typedExtensionProtocolOptions: http2,
    loadAssignment: loadAssignment(accessLogCluster, { pipe: { path } }),
  }
}

function adsClusterOf(input: BootstrapInput): JsonObject {
  const isAddress = isIP(input.xdsHost) !== 0
  return {
    name: adsCluster,
    type: isAddress ? 'STATIC' : 'STRICT_DNS',
    ...(input.ipv4Only && !isAddress ? { dnsLookupFamily: 'V4_ONLY' } : {}),
    connectTimeout: `${input.xdsConnectTimeoutMs / 1000}s`,
    ...tcpKeepalive,
    typedExtensionProtocolOptions: http2,
    loadAssignment: loadAssignment(adsCluster, { socketAddress: { address: input.xdsHost, portValue: input.xdsPort } }),
    transportSocket: {
      name: 'envoy.transport_sockets.tls',
      typedConfig: {
        '@type': typeUrl('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
        sni: input.xdsHost,
        commonTlsContext: {
          tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2' },
          validationContextSdsSecretConfig: { name: validationSecret },
        },
      },
    },
  }
}
