// Every setting of the control plane: Kuma's names and defaults where the meaning is the same (contract/rest-cli-gui.md section 12), our
// own under `weft`. Settings marked without effect are accepted so that existing files and environments keep working.

// Constructors of settings: type and default in one word.
export const span = <const D extends string>(value: D) => ({ type: 'duration', default: value }) as const
export const flag = <const D extends boolean>(value: D) => ({ type: 'boolean', default: value }) as const
export const port = <const D extends number>(value: D) => ({ type: 'integer', minimum: 0, maximum: 65535, default: value }) as const
export const count = <const D extends number>(value: D) => ({ type: 'integer', minimum: 0, default: value }) as const
export const text = <const D extends string>(value: D) => ({ type: 'string', default: value }) as const
export const list = <const D extends readonly string[]>(...value: D) => ({ type: 'list', default: value }) as const
export const none = { effect: 'none' } as const

const kdsCommon = <const P extends string>(prefix: P) =>
  ({
    maxMsgSize: { ...count(10485760), env: `${prefix}_MAX_MSG_SIZE` },
    msgSendTimeout: { ...span('60s'), ...none, env: `${prefix}_MSG_SEND_TIMEOUT` },
    nackBackoff: { ...span('5s'), ...none, env: `${prefix}_NACK_BACKOFF` },
    responseBackoff: { ...span('0s'), ...none, env: `${prefix}_RESPONSE_BACKOFF` },
    logPayloads: { ...flag(false), ...none, env: `${prefix}_LOG_PAYLOADS` },
    labels: { type: 'object', properties: { skipPrefixes: { ...list(), env: `${prefix}_LABELS_SKIP_PREFIXES` } } },
  }) as const

export const multizone = {
  type: 'object',
  properties: {
    global: {
      type: 'object',
      properties: {
        kds: {
          type: 'object',
          properties: {
            ...kdsCommon('KUMA_MULTIZONE_GLOBAL_KDS'),
            grpcPort: { ...port(5685), env: 'KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT' },
            tlsEnabled: { ...flag(true), env: 'KUMA_MULTIZONE_GLOBAL_KDS_TLS_ENABLED' },
            tlsCertFile: { ...text(''), env: 'KUMA_MULTIZONE_GLOBAL_KDS_TLS_CERT_FILE' },
            tlsKeyFile: { ...text(''), env: 'KUMA_MULTIZONE_GLOBAL_KDS_TLS_KEY_FILE' },
            tlsClientCaFile: {
              ...text(''),
              env: 'KUMA_MULTIZONE_GLOBAL_KDS_TLS_CLIENT_CA_FILE',
              description: 'Authorities of zone certificates. A certificate for spiffe://<cluster-id>/zone/<name> admits that zone.',
            },
            tlsMinVersion: { ...text('TLSv1_2'), ...none, env: 'KUMA_MULTIZONE_GLOBAL_KDS_TLS_MIN_VERSION' },
            tlsMaxVersion: { ...text(''), ...none, env: 'KUMA_MULTIZONE_GLOBAL_KDS_TLS_MAX_VERSION' },
            tlsCipherSuites: { ...list(), ...none, env: 'KUMA_MULTIZONE_GLOBAL_KDS_TLS_CIPHER_SUITES' },
            zoneInsightFlushInterval: { ...span('10s'), env: 'KUMA_MULTIZONE_GLOBAL_KDS_ZONE_INSIGHT_FLUSH_INTERVAL' },
            auth: {
              type: 'object',
              properties: {
                type: {
                  type: 'string',
                  enum: ['zoneToken', 'none'],
                  default: 'zoneToken',
                  env: 'KUMA_MULTIZONE_GLOBAL_KDS_AUTH_TYPE',
                  description: 'How zones prove who they are. `none` lets anyone who reaches the port be any zone.',
                },
              },
            },
            zoneHealthCheck: {
              type: 'object',
              properties: {
                pollInterval: { ...span('0s'), env: 'KUMA_MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_POLL_INTERVAL' },
                timeout: { ...span('0s'), env: 'KUMA_MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_TIMEOUT' },
                closeStaleConn: { ...flag(false), ...none, env: 'KUMA_MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_CLOSE_STALE_CONN' },
              },
            },
          },
        },
      },
    },
    zone: {
      type: 'object',
      properties: {
        name: { ...text('default'), env: 'KUMA_MULTIZONE_ZONE_NAME' },
        globalAddress: {
          ...text(''),
          env: 'KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS',
          description: 'Where global is: grpcs://host:5685. Empty: a standalone zone.',
        },
        disableOriginLabelValidation: { ...flag(false), env: 'KUMA_MULTIZONE_ZONE_DISABLE_ORIGIN_LABEL_VALIDATION' },
        kds: {
          type: 'object',
          properties: {
            ...kdsCommon('KUMA_MULTIZONE_ZONE_KDS'),
            rootCaFile: { ...text(''), env: 'KUMA_MULTIZONE_ZONE_KDS_ROOT_CA_FILE' },
            tlsSkipVerify: { ...flag(false), env: 'KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY' },
            tlsClientCertFile: {
              ...text(''),
              env: 'KUMA_MULTIZONE_ZONE_KDS_TLS_CLIENT_CERT_FILE',
              description: 'Certificate that names this zone, shown to global instead of a token.',
            },
            tlsClientKeyFile: { ...text(''), env: 'KUMA_MULTIZONE_ZONE_KDS_TLS_CLIENT_KEY_FILE' },
            auth: {
              type: 'object',
              properties: {
                tokenInline: { ...text(''), secret: true, env: 'KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_INLINE' },
                tokenPath: {
                  ...text(''),
                  env: 'KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_PATH',
                  description: 'File with the zone token that global asks for. Read again at every connection.',
                },
              },
            },
            eventBasedWatchdog: {
              type: 'object',
              properties: {
                flushInterval: { ...span('1s'), ...none, env: 'KUMA_MULTIZONE_ZONE_KDS_EVENT_BASED_WATCHDOG_FLUSH_INTERVAL' },
                fullResyncInterval: { ...span('1s'), ...none, env: 'KUMA_MULTIZONE_ZONE_KDS_EVENT_BASED_WATCHDOG_FULL_RESYNC_INTERVAL' },
                delayFullResync: { ...flag(false), ...none, env: 'KUMA_MULTIZONE_ZONE_KDS_EVENT_BASED_WATCHDOG_DELAY_FULL_RESYNC' },
              },
            },
          },
        },
      },
    },
  },
} as const

const pg = 'KUMA_STORE_POSTGRES'
export const store = {
  type: 'object',
  properties: {
    type: {
      type: 'string',
      enum: ['embedded', 'postgres', 'memory'],
      default: 'embedded',
      env: 'KUMA_STORE_TYPE',
      description:
        'embedded: on disk in the work directory, survives kill -9. postgres: in a database made ready by `weft migrate up`. memory: lost with the process.',
    },
    unsafeDelete: { ...flag(false), env: 'KUMA_STORE_UNSAFE_DELETE' },
    cache: {
      type: 'object',
      properties: {
        enabled: { ...flag(true), ...none, env: 'KUMA_STORE_CACHE_ENABLED' },
        expirationTime: { ...span('1s'), ...none, env: 'KUMA_STORE_CACHE_EXPIRATION_TIME' },
      },
    },
    upsert: {
      type: 'object',
      properties: {
        conflictRetryBaseBackoff: { ...span('200ms'), ...none, env: 'KUMA_STORE_UPSERT_CONFLICT_RETRY_BASE_BACKOFF' },
        conflictRetryMaxTimes: { ...count(10), ...none, env: 'KUMA_STORE_UPSERT_CONFLICT_RETRY_MAX_TIMES' },
        conflictRetryJitterPercent: { ...count(30), ...none, env: 'KUMA_STORE_UPSERT_CONFLICT_RETRY_JITTER_PERCENT' },
      },
    },
    postgres: {
      type: 'object',
      properties: {
        host: { ...text('127.0.0.1'), env: `${pg}_HOST` },
        port: { ...port(15432), env: `${pg}_PORT` },
        user: { ...text('kuma'), env: `${pg}_USER` },
        password: { ...text('kuma'), secret: true, env: `${pg}_PASSWORD` },
        dbName: { ...text('kuma'), env: `${pg}_DB_NAME`, description: 'A database of its own for each control plane.' },
        driverName: { ...text('pgx'), ...none, env: `${pg}_DRIVER_NAME` },
        connectionTimeout: { ...count(5), env: `${pg}_CONNECTION_TIMEOUT`, description: 'Seconds for a connection to open.' },
        maxOpenConnections: {
          ...count(50),
          env: `${pg}_MAX_OPEN_CONNECTIONS`,
          description:
            'Besides the one that listens for changes; a few are enough, since reads come from memory. 0: as many as are needed.',
        },
        maxIdleConnections: { ...count(50), ...none, env: `${pg}_MAX_IDLE_CONNECTIONS` },
        minOpenConnections: { ...count(0), env: `${pg}_MIN_OPEN_CONNECTIONS` },
        maxConnectionLifetime: { ...span('1h'), ...none, env: `${pg}_MAX_CONNECTION_LIFETIME` },
        maxConnectionLifetimeJitter: { ...span('1m'), ...none, env: `${pg}_MAX_CONNECTION_LIFETIME_JITTER` },
        healthCheckInterval: { ...span('30s'), ...none, env: `${pg}_HEALTH_CHECK_INTERVAL` },
        tolerateNewerDBVersions: {
          ...flag(false),
          env: `${pg}_TOLERATE_NEWER_DB_VERSIONS`,
          description: 'Start on a schema that a newer version made.',
        },
        tls: {
          type: 'object',
          properties: {
            mode: {
              type: 'string',
              enum: ['disable', 'verifyNone', 'verifyCa', 'verifyFull'],
              default: 'disable',
              env: `${pg}_TLS_MODE`,
              description: 'verifyNone: any certificate. verifyCa: of the authority in caPath. verifyFull: and for this host.',
            },
            certPath: {
              ...text(''),
              env: `${pg}_TLS_CERT_PATH`,
              description: 'Client certificate. Read at every connection, like the other files.',
            },
            keyPath: { ...text(''), env: `${pg}_TLS_KEY_PATH` },
            caPath: { ...text(''), env: [`${pg}_TLS_ROOT_CERT_PATH`, `${pg}_TLS_CA_PATH`] },
            disableSSLSNI: { ...flag(false), ...none, env: `${pg}_TLS_DISABLE_SSLSNI` },
          },
        },
        readReplica: {
          type: 'object',
          properties: {
            host: { ...text(''), ...none, env: `${pg}_READ_REPLICA_HOST` },
            port: { ...port(5432), ...none, env: `${pg}_READ_REPLICA_PORT` },
            ratio: { ...count(100), ...none, env: `${pg}_READ_REPLICA_RATIO` },
          },
        },
      },
    },
  },
} as const

const tokens = {
  type: 'object',
  properties: {
    bootstrapAdminToken: { ...flag(true), env: 'KUMA_API_SERVER_AUTHN_TOKENS_BOOTSTRAP_ADMIN_TOKEN' },
    enableIssuer: { ...flag(true), env: 'KUMA_API_SERVER_AUTHN_TOKENS_ENABLE_ISSUER' },
    validator: {
      type: 'object',
      properties: {
        useSecrets: { ...flag(true), env: 'KUMA_API_SERVER_AUTHN_TOKENS_VALIDATOR_USE_SECRETS' },
        publicKeys: { type: 'any', description: 'List of {kid, key | keyFile}: more keys that may sign user tokens.' },
      },
    },
  },
} as const

export const apiServer = {
  type: 'object',
  properties: {
    http: {
      type: 'object',
      properties: {
        enabled: { ...flag(true), env: 'KUMA_API_SERVER_HTTP_ENABLED' },
        interface: { ...text('0.0.0.0'), env: 'KUMA_API_SERVER_HTTP_INTERFACE' },
        port: { ...port(5681), env: 'KUMA_API_SERVER_HTTP_PORT' },
      },
    },
    https: {
      type: 'object',
      properties: {
        enabled: { ...flag(true), env: 'KUMA_API_SERVER_HTTPS_ENABLED' },
        interface: { ...text('0.0.0.0'), env: 'KUMA_API_SERVER_HTTPS_INTERFACE' },
        port: { ...port(5682), env: 'KUMA_API_SERVER_HTTPS_PORT' },
        tlsCertFile: { ...text(''), env: 'KUMA_API_SERVER_HTTPS_TLS_CERT_FILE' },
        tlsKeyFile: { ...text(''), env: 'KUMA_API_SERVER_HTTPS_TLS_KEY_FILE' },
        tlsCaFile: { ...text(''), env: ['KUMA_API_SERVER_HTTPS_TLS_CA_FILE', 'KUMA_API_SERVER_HTTPS_CLIENT_CERTS_CA_FILE'] },
        requireClientCert: { ...flag(false), env: 'KUMA_API_SERVER_HTTPS_REQUIRE_CLIENT_CERT' },
      },
    },
    auth: {
      type: 'object',
      properties: { clientCertsDir: { ...text(''), ...none, env: 'KUMA_API_SERVER_AUTH_CLIENT_CERTS_DIR' } },
    },
    authn: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: ['tokens', 'clientCerts'], default: 'tokens', env: 'KUMA_API_SERVER_AUTHN_TYPE' },
        localhostIsAdmin: { ...flag(true), env: 'KUMA_API_SERVER_AUTHN_LOCALHOST_IS_ADMIN' },
        tokens,
      },
    },
    readOnly: { ...flag(false), env: 'KUMA_API_SERVER_READ_ONLY' },
    corsAllowedDomains: { ...list(), env: 'KUMA_API_SERVER_CORS_ALLOWED_DOMAINS' },
    rootUrl: { ...text(''), env: 'KUMA_API_SERVER_ROOT_URL' },
    basePath: { ...text('/'), env: 'KUMA_API_SERVER_BASE_PATH' },
    gui: {
      type: 'object',
      properties: {
        enabled: { ...flag(true), env: 'KUMA_API_SERVER_GUI_ENABLED' },
        rootUrl: { ...text(''), env: 'KUMA_API_SERVER_GUI_ROOT_URL' },
        basePath: { ...text('/gui'), env: 'KUMA_API_SERVER_GUI_BASE_PATH' },
      },
    },
    readHeaderTimeout: { ...span('1s'), env: 'KUMA_API_SERVER_READ_HEADER_TIMEOUT' },
    readTimeout: { ...span('10s'), env: 'KUMA_API_SERVER_READ_TIMEOUT' },
    writeTimeout: { ...span('30s'), env: 'KUMA_API_SERVER_WRITE_TIMEOUT' },
    idleTimeout: { ...span('2m'), env: 'KUMA_API_SERVER_IDLE_TIMEOUT' },
  },
} as const

export const general = {
  type: 'object',
  properties: {
    tlsCertFile: { ...text(''), env: 'KUMA_GENERAL_TLS_CERT_FILE' },
    tlsKeyFile: { ...text(''), env: 'KUMA_GENERAL_TLS_KEY_FILE' },
    tlsMinVersion: { ...text('TLSv1_2'), ...none, env: 'KUMA_GENERAL_TLS_MIN_VERSION' },
    tlsMaxVersion: { ...text(''), ...none, env: 'KUMA_GENERAL_TLS_MAX_VERSION' },
    tlsCipherSuites: { ...list(), ...none, env: 'KUMA_GENERAL_TLS_CIPHER_SUITES' },
    workDir: {
      ...text(''),
      env: 'KUMA_GENERAL_WORK_DIR',
      description: 'Certificates and the embedded store. Empty: .weft in the home directory.',
    },
    resilientComponentBaseBackoff: { ...span('5s'), ...none, env: 'KUMA_GENERAL_RESILIENT_COMPONENT_BASE_BACKOFF' },
    resilientComponentMaxBackoff: { ...span('1m'), ...none, env: 'KUMA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF' },
    dnsCacheTTL: { ...span('10s'), ...none, env: 'KUMA_GENERAL_DNS_CACHE_TTL' },
  },
} as const
