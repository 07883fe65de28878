// What the dataplane server is told by configuration (contract/rest-cli-gui.md section 12, keys dpServer.* and bootstrapServer.*).

/** How proxies prove who they are. */
export type ProxyAuthType = 'dpToken' | 'serviceAccountToken' | 'none'

export interface DataplaneServerSettings {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly tlsMinVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Name of this zone. */
  readonly zone: string
  /** True for a zone with a global control plane. */
  readonly federated: boolean
  readonly environment: 'universal' | 'kubernetes'
  /** Shown to proxies and in insights. */
  readonly instanceId: string
  readonly authType: ProxyAuthType
  /** Proxies read their token from its file again and again instead of keeping the one they started with. */
  readonly enableReloadableTokens: boolean
  /** Address proxies are told to connect to; '' means the one they asked for their bootstrap at. */
  readonly xdsHost: string
  /** 0 means the port of this server. */
  readonly xdsPort: number
  readonly xdsConnectTimeoutMs: number
  readonly adminPort: number
  readonly adminAddress: string
  readonly envoyAdminUnixSocket: boolean
  readonly hdsEnabled: boolean
  /** How often proxies report health. */
  readonly hdsIntervalMs: number
  /** How long the Dataplane of a proxy that closed its stream is kept. */
  readonly deregistrationDelayMs: number
  /** After so long without a stream a Dataplane is removed whatever the reason (`runtime.universal.dataplaneCleanupAge`). */
  readonly cleanupAgeMs: number
}

/** The settings of a standalone Universal zone with default values. */
export const defaultDataplaneServerSettings: DataplaneServerSettings = {
  host: '0.0.0.0',
  port: 5678,
  tlsMinVersion: 'TLSv1.2',
  zone: 'default',
  federated: false,
  environment: 'universal',
  instanceId: 'control-plane',
  authType: 'dpToken',
  enableReloadableTokens: false,
  xdsHost: '',
  xdsPort: 0,
  xdsConnectTimeoutMs: 1000,
  adminPort: 9901,
  adminAddress: '127.0.0.1',
  envoyAdminUnixSocket: true,
  hdsEnabled: true,
  hdsIntervalMs: 1000,
  deregistrationDelayMs: 10_000,
  cleanupAgeMs: 72 * 3_600_000,
}
