// What both roles have: store, registry, graph with its facts, keys, tokens, insights, and the two HTTP servers.
import { type ApiServerDeps, createApiServer, createDiagnosticsServer, type DiagnosticsServerDeps } from '@weft/api'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger, LogLevels } from '@weft/foundation/log'
import { createMetrics, type Metrics } from '@weft/foundation/metrics'
import { systemClock } from '@weft/foundation/time'
import { loadServerTls, type ServerTls } from '@weft/foundation/tls'
import { createGraph, type Graph } from '@weft/graph'
import {
  createKeyRing,
  createOwnServerCertificate,
  createTokenIssuer,
  createTokenVerifier,
  generateSigningKey,
  type TokenIssuer,
  type TokenVerifier,
} from '@weft/identity'
import { createInsightWriter, createMeshInsights, type InsightWriter } from '@weft/insights'
import { createMesh, type MeshFacts } from '@weft/mesh'
import { policyDescriptors } from '@weft/policies'
import { computeLabels, coreDescriptors, createRegistry, type LabelPlace, type Registry } from '@weft/resources'
import { type Store, whenReachable } from '@weft/store'
import { createDelivery, type Delivery } from '@weft/xds'
import { type ControlPlaneConfig, isFederated, publicConfig, workDirOf } from './config.ts'
import { type OpenedStore, openStore } from './open-store.ts'
import { createLeadership, type Leadership } from './leadership.ts'
import { createOwnBudgets, type OwnBudgets } from './own-budgets.ts'
import { createOwnReplicas, type OwnReplicas, ownMember } from './own-replicas.ts'
import { createProcessIdentity, type ProcessIdentity } from './process-identity.ts'
import { createReplicaServers } from './replica-servers.ts'
import { createProxyStreams, type ProxyStreams } from './proxy-streams.ts'
import { apiSettings, meshSettings } from './role-settings.ts'
import { createStartupResources } from './startup-resources.ts'
import { trustRoutes } from './trust-routes.ts'

export interface SharedParts {
  readonly config: ControlPlaneConfig
  readonly log: Logger
  readonly logLevels: LogLevels
  readonly clock: typeof systemClock
  readonly metrics: Metrics
  readonly identity: ProcessIdentity
  readonly registry: Registry
  readonly store: Store
  readonly durable: Omit<OpenedStore, 'store'>
  readonly leadership: Leadership
  readonly own: OwnReplicas
  readonly budgets: OwnBudgets
  readonly place: LabelPlace
  readonly graph: Graph
  readonly mesh: MeshFacts
  /** Of this zone's proxies; always empty at global. */
  readonly streams: ProxyStreams
  /** How far commits have come on the way to this zone's proxies. */
  readonly delivery: Delivery
  readonly tls: ServerTls
  readonly tokens: TokenIssuer
  readonly verifier: TokenVerifier
  readonly insights: InsightWriter
  /** Answers already when the database had to be waited for, so that whoever started this process saw it live. */
  readonly diagnostics: Component
  configJson(): string
}

interface StartOptions extends Pick<SharedParts, 'log' | 'logLevels'> {
  /** Whether the signing keys have arrived. */
  readonly keysComplete: () => boolean
  /** What is not ready. */
  readonly unready: () => readonly string[]
}

/** Opens the store, as soon as its database is there, and makes everything that needs no other part. */
export async function createSharedParts(config: ControlPlaneConfig, options: StartOptions): Promise<SharedParts> {
  const { log, logLevels } = options
  const logOf = (component: string): Logger => log.child({ component })
  const clock = systemClock
  const metrics = createMetrics({ process: true })
  const workDir = workDirOf(config)
  const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
  const diagnostics = diagnosticsOf(config, { clock, log: logOf('diagnostics'), logLevels, metrics, unready: options.unready })
  const identity = createProcessIdentity()
  const servers = await createReplicaServers({ config, instanceId: identity.instanceId, clock, log, metrics })
  const { announcer } = servers
  const open = (waits: boolean) =>
    openStore(config, { registry, clock, log: logOf('store'), metrics, waits, ...(announcer ? { announcer } : {}) })
  const { store, ...durable } = await open(false).catch(async (error: unknown) => {
    if (!(error instanceof AppError && error.retryable)) throw error
    await diagnostics.start()
    return open(true)
  })
  const settings = meshSettings(config)
  const place: LabelPlace = { mode: settings.mode, zone: settings.zone, federated: settings.federated, environment: settings.environment }
  const graph = createGraph({ clock, log: logOf('graph'), metrics })
  const streams = createProxyStreams()
  const delivery = createDelivery(() => store.seq)
  const keys = createKeyRing({ secrets: store })
  const insightKind = registry.get('DataplaneInsight')
  const self = ownMember(config, identity.instanceId)
  const leadership = await createLeadership({ config, store, self, clock, log, metrics })
  const own = await createOwnReplicas({ config, store, self, leases: leadership.leases, servers, clock, log })
  return {
    config,
    log,
    logLevels,
    clock,
    metrics,
    identity,
    registry,
    store,
    durable,
    leadership,
    own,
    budgets: createOwnBudgets({ config, clock, log: logOf('budgets'), metrics, tally: own.tally }),
    place,
    graph,
    mesh: createMesh({
      graph,
      store,
      registry,
      settings,
      clock,
      log: logOf('mesh'),
      metrics,
      holdsListener: (kri) => streams.holdsListener(kri),
      pending: delivery,
      generating: leadership,
    }),
    streams,
    delivery,
    tls: await loadServerTls({
      certificateFile: config.general.tlsCertFile,
      privateKeyFile: config.general.tlsKeyFile,
      workDir,
      generate: () => createOwnServerCertificate({ now: clock.now() }),
      clock,
      log: logOf('tls'),
    }),
    tokens: createTokenIssuer({ keys, clock }),
    verifier: createTokenVerifier({ keys, clock, keysComplete: options.keysComplete }),
    insights: createInsightWriter({
      store,
      clock,
      log: logOf('insights'),
      metrics,
      mode: config.mode,
      instanceId: identity.instanceId,
      isShared: own.isShared,
      version: identity.version.version,
      counterIntervalMs: config.xdsServer.dataplaneStatusFlushInterval,
      proxyLimit: config.metrics.dataplane.subscriptionLimit,
      zoneLimit: config.metrics.zone.subscriptionLimit,
      proxyLabels: (dataplane) => (insightKind ? computeLabels(insightKind, { ...dataplane, spec: {}, labels: {} }, place) : {}),
    }),
    diagnostics,
    configJson: () => JSON.stringify(publicConfig(config)),
  }
}

/** May be started before its turn. */
function diagnosticsOf(config: ControlPlaneConfig, deps: Omit<DiagnosticsServerDeps, 'settings'>): Component {
  const { interface: address } = config.apiServer.http
  const server = createDiagnosticsServer({ ...deps, settings: { interface: address, port: config.diagnostics.serverPort } })
  let starting: Promise<void> | undefined
  return { name: server.name, start: () => (starting ??= server.start()), stop: () => server.stop() }
}

/** The store as the last thing to close. */
export function storeComponent({ store, tls }: SharedParts): Component {
  return {
    name: 'store',
    start: async () => {},
    stop: async () => {
      tls.close()
      await store.close()
    },
  }
}

/** The running graph. */
export function meshComponent({ mesh, leadership }: SharedParts): Component {
  let stop = (): void => {}
  return {
    name: 'mesh',
    start: async () => {
      stop = leadership.onLead(() => mesh.takeOver())
      mesh.start()
    },
    stop: async () => {
      stop()
      await mesh.stop()
    },
  }
}

/** Made by the leader beside the rest of its start: generating keys takes a moment that nobody has to wait for. */
export function startupComponent({ leadership, registry, clock, log, place, tokens, config }: SharedParts): Component {
  const { store } = leadership
  const create = (): Promise<void> =>
    createStartupResources({
      store,
      registry,
      log,
      place,
      tokens,
      meshRules: { store, registry, place, generateSigningKey },
      skipMeshCreation: config.defaults.skipMeshCreation,
      skipHostnameGenerators: config.defaults.skipHostnameGenerators,
      bootstrapAdminToken: config.apiServer.authn.tokens.bootstrapAdminToken,
    })
  return leadership.while({
    name: 'startup',
    make: () => {
      let creating: Promise<void> | undefined
      let isCreated = false
      const stopping = new AbortController()
      return {
        name: 'startup',
        ready: () => isCreated,
        start: async () => {
          creating = whenReachable(create, { clock, log: log.child({ component: 'startup' }), signal: stopping.signal }).then(
            () => {
              isCreated = true
            },
            (error: unknown) => log.error({ component: 'startup', err: messageOf(error) }, 'startup resources could not be created'),
          )
        },
        stop: async () => {
          stopping.abort()
          await creating
        },
      }
    },
  })
}

/** MeshInsights are made where people look at all of a mesh: at global and in standalone zones. */
export function meshInsightsComponent({ leadership, clock, log, registry, config }: SharedParts): Component | undefined {
  if (isFederated(config)) return undefined
  const types = registry.all.filter((kind) => kind.scope === 'Mesh').map((kind) => kind.type)
  return leadership.while({
    name: 'mesh-insights',
    make: () =>
      createMeshInsights({
        store: leadership.store,
        clock,
        log: log.child({ component: 'insights' }),
        types,
        minIntervalMs: config.metrics.mesh.minResyncInterval,
      }),
  })
}

/** What only the role can give the REST API. */
export type RoleApi = Pick<ApiServerDeps, 'envoyAdmin' | 'proxyConfig' | 'rejections' | 'routes' | 'sync'>

export function httpComponents(parts: SharedParts, role: RoleApi): readonly Component[] {
  const { store, durable, registry, clock, log, metrics, config, identity, place, tls, tokens, verifier, budgets } = parts
  const settings = apiSettings(config, tls)
  const api = createApiServer({
    store,
    ...(durable.history ? { history: durable.history } : {}),
    ...(durable.backup ? { backup: backupOf(parts, durable.backup) } : {}),
    registry,
    clock,
    log: log.child({ component: 'api' }),
    metrics,
    controlPlane: {
      ...place,
      hostname: identity.hostname,
      instanceId: identity.instanceId,
      version: identity.version.version,
      basedOn: 'Weft',
      clusterId: () => clusterIdOf(store),
    },
    settings,
    configJson: parts.configJson,
    mesh: parts.mesh,
    verifyUserToken: (token) => verifier.user(token),
    budgets: { attempts: budgets.users, questions: budgets.questions, writes: budgets.writes },
    ...(config.apiServer.authn.tokens.enableIssuer ? { tokens } : {}),
    ...role,
    routes: [...(role.routes ?? []), ...trustRoutes({ store, mesh: parts.mesh, mode: config.mode, access: settings.access, log })],
    generateSigningKey,
  })
  return [parts.diagnostics, api]
}

/** Of all kinds. */
function backupOf({ registry }: SharedParts, backup: NonNullable<OpenedStore['backup']>): NonNullable<ApiServerDeps['backup']> {
  return ({ withKey }) => backup({ withKey, types: registry.all.map((kind) => kind.type) })
}

/** Id of the federation this control plane belongs to; '' until it is made or received. */
export function clusterIdOf(store: Store): string {
  const spec = store.get({ type: 'Config', mesh: '', name: 'kuma-cluster-id' })?.spec
  const id: unknown = typeof spec === 'object' && spec !== null && 'config' in spec ? spec.config : undefined
  return typeof id === 'string' ? id : ''
}
