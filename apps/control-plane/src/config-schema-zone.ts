// Settings of the parts that serve proxies, and of what both roles share (contract/rest-cli-gui.md section 12).
import { count, flag, list, none, port, span, text } from './config-schema.ts'
import { budget } from './config-schema-budgets.ts'
import { nats, redis } from './config-schema-replicas.ts'

const hds = 'KUMA_DP_SERVER_HDS'
const dpToken = 'KUMA_DP_SERVER_AUTHN_DP_PROXY_DP_TOKEN'
const zoneToken = 'KUMA_DP_SERVER_AUTHN_ZONE_PROXY_ZONE_TOKEN'

const tokenSettings = <const P extends string>(prefix: P) =>
  ({
    type: 'object',
    properties: {
      enableIssuer: { ...flag(true), env: `${prefix}_ENABLE_ISSUER` },
      validator: {
        type: 'object',
        properties: { useSecrets: { ...flag(true), env: `${prefix}_VALIDATOR_USE_SECRETS` }, publicKeys: { type: 'any' } },
      },
    },
  }) as const

export const dpServer = {
  type: 'object',
  properties: {
    port: { ...port(5678), env: 'KUMA_DP_SERVER_PORT' },
    tlsCertFile: { ...text(''), env: 'KUMA_DP_SERVER_TLS_CERT_FILE' },
    tlsKeyFile: { ...text(''), env: 'KUMA_DP_SERVER_TLS_KEY_FILE' },
    tlsMinVersion: { ...text('TLSv1_2'), ...none, env: 'KUMA_DP_SERVER_TLS_MIN_VERSION' },
    tlsMaxVersion: { ...text(''), ...none, env: 'KUMA_DP_SERVER_TLS_MAX_VERSION' },
    tlsCipherSuites: { ...list(), ...none, env: 'KUMA_DP_SERVER_TLS_CIPHER_SUITES' },
    readHeaderTimeout: { ...span('5s'), ...none, env: 'KUMA_DP_SERVER_READ_HEADER_TIMEOUT' },
    authn: {
      type: 'object',
      properties: {
        dpProxy: {
          type: 'object',
          properties: {
            type: {
              type: 'string',
              enum: ['', 'dpToken', 'serviceAccountToken', 'none'],
              default: '',
              env: 'KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE',
              description: 'Empty: dpToken, on Kubernetes serviceAccountToken.',
            },
            dpToken: tokenSettings(dpToken),
          },
        },
        zoneProxy: {
          type: 'object',
          properties: {
            type: {
              type: 'string',
              enum: ['', 'zoneToken', 'serviceAccountToken', 'none'],
              default: '',
              env: 'KUMA_DP_SERVER_AUTHN_ZONE_PROXY_TYPE',
            },
            zoneToken: tokenSettings(zoneToken),
          },
        },
        enableReloadableTokens: { ...flag(false), ...none, env: 'KUMA_DP_SERVER_AUTHN_ENABLE_RELOADABLE_TOKENS' },
      },
    },
    hds: {
      type: 'object',
      properties: {
        enabled: { ...flag(true), env: `${hds}_ENABLED` },
        interval: { ...span('5s'), env: `${hds}_INTERVAL` },
        refreshInterval: { ...span('10s'), ...none, env: `${hds}_REFRESH_INTERVAL` },
        checkDefaults: {
          type: 'object',
          properties: {
            timeout: { ...span('2s'), env: `${hds}_CHECK_TIMEOUT` },
            interval: { ...span('1s'), env: `${hds}_CHECK_INTERVAL` },
            noTrafficInterval: { ...span('1s'), env: `${hds}_CHECK_NO_TRAFFIC_INTERVAL` },
            healthyThreshold: { ...count(1), env: `${hds}_CHECK_HEALTHY_THRESHOLD` },
            unhealthyThreshold: { ...count(1), env: `${hds}_CHECK_UNHEALTHY_THRESHOLD` },
          },
        },
      },
    },
  },
} as const

const params = 'KUMA_BOOTSTRAP_SERVER_PARAMS'
export const bootstrapServer = {
  type: 'object',
  properties: {
    params: {
      type: 'object',
      properties: {
        adminPort: { ...port(9901), env: `${params}_ADMIN_PORT` },
        adminAddress: { ...text('127.0.0.1'), env: `${params}_ADMIN_ADDRESS` },
        adminAccessLogPath: { ...text('/dev/null'), env: `${params}_ADMIN_ACCESS_LOG_PATH` },
        envoyAdminUnixSocket: { ...flag(true), env: `${params}_ENVOY_ADMIN_UNIX_SOCKET` },
        readinessPort: { ...port(9902), env: `${params}_READINESS_PORT` },
        xdsHost: { ...text(''), env: `${params}_XDS_HOST` },
        xdsPort: { ...port(0), env: `${params}_XDS_PORT` },
        xdsConnectTimeout: { ...span('1s'), env: `${params}_XDS_CONNECT_TIMEOUT` },
        corefileTemplatePath: { ...text(''), ...none, env: `${params}_COREFILE_TEMPLATE_PATH` },
      },
    },
  },
} as const

export const xdsServer = {
  type: 'object',
  properties: {
    dataplaneConfigurationRefreshInterval: { ...span('1s'), ...none, env: 'KUMA_XDS_SERVER_DATAPLANE_CONFIGURATION_REFRESH_INTERVAL' },
    dataplaneStatusFlushInterval: { ...span('10s'), env: 'KUMA_XDS_SERVER_DATAPLANE_STATUS_FLUSH_INTERVAL' },
    nackBackoff: { ...span('5s'), ...none, env: 'KUMA_XDS_SERVER_NACK_BACKOFF' },
    dataplaneDeregistrationDelay: {
      ...span('10s'),
      env: ['KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY', 'KUMA_XDS_SERVER_DATAPLANE_DEREGISTRATION_DELAY'],
    },
  },
} as const

const zoneMetrics = 'KUMA_METRICS_ZONE'
export const metrics = {
  type: 'object',
  properties: {
    dataplane: {
      type: 'object',
      properties: {
        subscriptionLimit: { ...count(2), env: 'KUMA_METRICS_DATAPLANE_SUBSCRIPTION_LIMIT' },
        idleTimeout: { ...span('5m'), env: 'KUMA_METRICS_DATAPLANE_IDLE_TIMEOUT' },
      },
    },
    zone: {
      type: 'object',
      properties: {
        subscriptionLimit: { ...count(10), env: `${zoneMetrics}_SUBSCRIPTION_LIMIT` },
        idleTimeout: { ...span('5m'), env: `${zoneMetrics}_IDLE_TIMEOUT` },
        compactFinishedSubscriptions: { ...flag(false), ...none, env: `${zoneMetrics}_COMPACT_FINISHED_SUBSCRIPTIONS` },
      },
    },
    mesh: {
      type: 'object',
      properties: {
        minResyncInterval: { ...span('1s'), env: 'KUMA_METRICS_MESH_MIN_RESYNC_INTERVAL' },
        fullResyncInterval: { ...span('20s'), ...none, env: 'KUMA_METRICS_MESH_FULL_RESYNC_INTERVAL' },
      },
    },
    controlPlane: {
      type: 'object',
      properties: { reportResourcesCount: { ...flag(true), ...none, env: 'KUMA_METRICS_CONTROL_PLANE_REPORT_RESOURCES_COUNT' } },
    },
  },
} as const

const admin = ['mesh-system:admin'] as const
const everyone = ['mesh-system:unauthenticated', 'mesh-system:authenticated'] as const
const right = <const E extends string, const U extends readonly string[], const G extends readonly string[]>(
  name: E,
  users: U,
  groups: G,
) =>
  ({
    type: 'object',
    properties: {
      users: { ...list(...users), env: `KUMA_ACCESS_STATIC_${name}_USERS` },
      groups: { ...list(...groups), env: `KUMA_ACCESS_STATIC_${name}_GROUPS` },
    },
  }) as const

export const access = {
  type: 'object',
  properties: {
    type: { ...text('static'), ...none, env: 'KUMA_ACCESS_TYPE' },
    static: {
      type: 'object',
      properties: {
        adminResources: right('ADMIN_RESOURCES', admin, admin),
        generateDpToken: right('GENERATE_DP_TOKEN', admin, admin),
        generateUserToken: right('GENERATE_USER_TOKEN', admin, admin),
        generateZoneToken: right('GENERATE_ZONE_TOKEN', admin, admin),
        viewConfigDump: right('GET_CONFIG_DUMP', [], everyone),
        viewStats: right('VIEW_STATS', [], everyone),
        viewClusters: right('VIEW_CLUSTERS', [], everyone),
        controlPlaneMetadata: right('CONTROL_PLANE_METADATA', [], everyone),
      },
    },
  },
} as const

const statusEnv = 'KUMA_CORE_RESOURCES_STATUS'
export const coreResources = {
  type: 'object',
  properties: {
    enabled: {
      ...list(
        'hostnamegenerators',
        'meshexternalservices',
        'meshidentities',
        'meshmultizoneservices',
        'meshopentelemetrybackends',
        'meshservices',
        'meshtrusts',
        'meshzoneaddresses',
        'workloads',
      ),
      ...none,
      env: 'KUMA_CORE_RESOURCES_ENABLED',
    },
    status: {
      type: 'object',
      properties: {
        meshServiceInterval: { ...span('5s'), env: `${statusEnv}_MESH_SERVICE_INTERVAL` },
        meshMultiZoneServiceInterval: { ...span('5s'), env: `${statusEnv}_MESH_MULTI_ZONE_SERVICE_INTERVAL` },
        meshIdentityInterval: { ...span('5s'), env: `${statusEnv}_MESH_IDENTITY_INTERVAL` },
        workloadInterval: { ...span('5s'), env: `${statusEnv}_WORKLOAD_INTERVAL` },
        meshOpenTelemetryBackendInterval: { ...span('5s'), env: `${statusEnv}_MESH_OPEN_TELEMETRY_BACKEND_INTERVAL` },
      },
    },
  },
} as const

const cidr = <const D extends string, const E extends string>(value: D, env: E) =>
  ({ type: 'object', properties: { cidr: { ...text(value), env } } }) as const

export const ipam = {
  type: 'object',
  properties: {
    meshService: cidr('241.0.0.0/8', 'KUMA_IPAM_MESH_SERVICE_CIDR'),
    meshExternalService: cidr('242.0.0.0/8', 'KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR'),
    meshMultiZoneService: cidr('243.0.0.0/8', 'KUMA_IPAM_MESH_MULTI_ZONE_SERVICE_CIDR'),
    allocationInterval: { ...span('5s'), env: 'KUMA_IPAM_ALLOCATION_INTERVAL' },
    knownInternalCIDRs: {
      ...list('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fd00::/8', '127.0.0.0/8', '::1/128'),
      ...none,
      env: 'KUMA_IPAM_KNOWN_INTERNAL_CIDRS',
    },
  },
} as const

export const meshService = {
  type: 'object',
  properties: {
    generationInterval: { ...span('2s'), env: 'KUMA_MESH_SERVICE_GENERATION_INTERVAL' },
    deletionGracePeriod: { ...span('1h'), env: 'KUMA_MESH_SERVICE_DELETION_GRACE_PERIOD' },
    labelPropagation: {
      type: 'object',
      properties: {
        enabled: { ...flag(false), env: 'KUMA_MESH_SERVICE_LABEL_PROPAGATION_ENABLED' },
        allowedKeys: { ...list(), env: 'KUMA_MESH_SERVICE_LABEL_PROPAGATION_ALLOWED_KEYS' },
      },
    },
  },
} as const

export const runtime = {
  type: 'object',
  properties: {
    universal: {
      type: 'object',
      properties: {
        dataplaneCleanupAge: { ...span('72h'), env: 'KUMA_RUNTIME_UNIVERSAL_DATAPLANE_CLEANUP_AGE' },
        vipRefreshInterval: { ...span('500ms'), ...none, env: 'KUMA_RUNTIME_UNIVERSAL_VIP_REFRESH_INTERVAL' },
        workloadGenerationInterval: { ...span('2s'), env: 'KUMA_RUNTIME_UNIVERSAL_WORKLOAD_GENERATION_INTERVAL' },
      },
    },
    kubernetes: { type: 'any', effect: 'none' },
  },
} as const

export const smallSections = {
  defaults: {
    type: 'object',
    properties: {
      skipMeshCreation: { ...flag(false), env: 'KUMA_DEFAULTS_SKIP_MESH_CREATION' },
      skipTenantResources: { ...flag(false), env: 'KUMA_DEFAULTS_SKIP_TENANT_RESOURCES' },
      skipHostnameGenerators: { ...flag(false), env: 'KUMA_DEFAULTS_SKIP_HOSTNAME_GENERATORS' },
    },
  },
  diagnostics: {
    type: 'object',
    properties: {
      serverPort: { ...port(5680), env: 'KUMA_DIAGNOSTICS_SERVER_PORT' },
      debugEndpoints: { ...flag(false), env: 'KUMA_DIAGNOSTICS_DEBUG_ENDPOINTS' },
      tlsEnabled: { ...flag(false), env: 'KUMA_DIAGNOSTICS_TLS_ENABLED' },
      tlsCertFile: { ...text(''), env: 'KUMA_DIAGNOSTICS_TLS_CERT_FILE' },
      tlsKeyFile: { ...text(''), env: 'KUMA_DIAGNOSTICS_TLS_KEY_FILE' },
    },
  },
  interCp: {
    type: 'object',
    properties: {
      catalog: {
        type: 'object',
        properties: {
          instanceAddress: { ...text(''), env: 'KUMA_INTER_CP_CATALOG_INSTANCE_ADDRESS' },
          heartbeatInterval: { ...span('5s'), env: 'KUMA_INTER_CP_CATALOG_HEARTBEAT_INTERVAL' },
          writerInterval: { ...span('15s'), ...none, env: 'KUMA_INTER_CP_CATALOG_WRITER_INTERVAL' },
        },
      },
      server: { type: 'object', properties: { port: { ...port(5683), env: 'KUMA_INTER_CP_SERVER_PORT' } } },
    },
  },
  monitoringAssignmentServer: {
    type: 'object',
    properties: {
      enabled: { ...flag(true), env: 'KUMA_MONITORING_ASSIGNMENT_SERVER_ENABLED' },
      port: { ...port(5676), env: 'KUMA_MONITORING_ASSIGNMENT_SERVER_PORT' },
      defaultFetchTimeout: { ...span('30s'), env: 'KUMA_MONITORING_ASSIGNMENT_SERVER_DEFAULT_FETCH_TIMEOUT' },
      assignmentRefreshInterval: { ...span('1s'), ...none, env: 'KUMA_MONITORING_ASSIGNMENT_SERVER_ASSIGNMENT_REFRESH_INTERVAL' },
      apiVersions: { ...list('v1'), ...none, env: 'KUMA_MONITORING_ASSIGNMENT_SERVER_API_VERSIONS' },
    },
  },
  policies: {
    type: 'object',
    properties: { pluginPoliciesEnabled: { ...list(), ...none, env: ['KUMA_PLUGIN_POLICIES_ENABLED', 'KUMA_POLICIES_ENABLED'] } },
  },
  dnsServer: {
    type: 'object',
    properties: {
      domain: { ...text('mesh'), ...none, env: 'KUMA_DNS_SERVER_DOMAIN' },
      serviceVipPort: { ...port(80), ...none, env: 'KUMA_DNS_SERVICE_SERVICE_VIP_PORT' },
    },
  },
  reports: { type: 'object', properties: { enabled: { ...flag(false), ...none, env: 'KUMA_REPORTS_ENABLED' } } },
  eventBus: { type: 'object', properties: { bufferSize: { ...count(100), ...none, env: 'KUMA_EVENT_BUS_BUFFER_SIZE' } } },
  tracing: {
    type: 'object',
    properties: {
      openTelemetry: { type: 'object', properties: { enabled: { ...flag(false), ...none }, endpoint: { ...text(''), ...none } } },
    },
  },
  proxy: { type: 'any', effect: 'none' },
  experimental: { type: 'any', effect: 'none' },
  weft: {
    type: 'object',
    properties: {
      logLevel: {
        type: 'string',
        enum: ['trace', 'debug', 'info', 'warn', 'error', 'off'],
        default: 'info',
        env: 'WEFT_LOG_LEVEL',
      },
      history: {
        type: 'object',
        properties: {
          maxEntries: {
            ...count(100_000),
            minimum: 1,
            env: 'WEFT_HISTORY_MAX_ENTRIES',
            description: 'Changes of desired state that are kept for history, rollback and audit.',
          },
          maxAge: { ...span('0s'), env: 'WEFT_HISTORY_MAX_AGE', description: 'Older changes are not kept. 0: however old.' },
        },
      },
      nats,
      redis,
      budget,
      leaseDuration: {
        ...span('15s'),
        env: 'WEFT_LEASE_DURATION',
        description:
          'Several replicas on one PostgreSQL: how long after its last renewal the leader may be gone before another takes over. Renewed three times as often.',
      },
      adopt: {
        ...text(''),
        env: 'WEFT_ADOPT',
        description:
          'Cluster id of a global that this zone may belong to from now on although it belonged to another. What both have is overwritten; what the new one lacks is held.',
      },
      massDelete: {
        type: 'object',
        properties: {
          percent: {
            type: 'integer',
            minimum: 1,
            maximum: 100,
            default: 50,
            env: 'WEFT_MASS_DELETE_PERCENT',
            description:
              'A peer that deletes more of a type than this within the time below is held until someone approves. 100 never holds.',
          },
          within: { ...span('60s'), env: 'WEFT_MASS_DELETE_WITHIN' },
        },
      },
    },
  },
} as const
