// A zone control plane, federated or standalone: serves proxies, gives them identities, and keeps in touch with its global.
import type { ApiServerDeps } from '@weft/api'
import { createDataplaneServer, type DataplaneServer, type DataplaneServerSettings, type ProxySinks } from '@weft/dataplane-server'
import type { Component } from '@weft/foundation/lifecycle'
import type { AdminAuthority } from '@weft/identity'
import { createKdsClient, createOwnChanges, createStoreLease, type KdsClient, type OwnChanges, type ZoneCredentials } from '@weft/kds'
import { resolveHosts } from '@weft/mesh'
import { createProbe, createReachability, type Reachability } from '@weft/reachability'
import { nameKey, type Resource } from '@weft/resources'
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { type SharedParts, httpComponents, meshComponent, meshInsightsComponent, startupComponent, storeComponent } from './shared-parts.ts'
import { type ControlPlaneConfig, isFederated } from './config.ts'
import { changeRoutes } from './change-routes.ts'
import { codecsAhead } from './codecs-ahead.ts'
import { zoneChangesOfReplicas } from './changes-of-replicas.ts'
import { deliveryOfReplicas } from './delivery-of-replicas.ts'
import { monitoringComponents } from './monitoring.ts'
import { sayingProxies } from './held-streams.ts'
import { createProxyPipeline, type ProxyPipeline } from './proxy-pipeline.ts'
import { isProxyHeld } from './own-replicas.ts'
import { rejectionsOfReplicas } from './rejections-of-replicas.ts'
import { type EnvoyAdminOfReplicas, envoyAdminOfReplicas, proxyConfigOfReplicas, proxyHolding } from './replica-questions.ts'
import { apiSettings, massDeleteGuard } from './role-settings.ts'
import { createSnapshotBoard } from './snapshot-board.ts'
import { createIssuer, issuerComponent, sharedAdminAuthority } from './zone-identities.ts'
import { createZoneListing } from './zone-listing.ts'
import { createZoneReplicas, type ZoneReplicas } from './zone-replicas.ts'
import { createZoneRecovery, type ZoneRecovery } from './zone-recovery.ts'
import { zoneSyncByLeader, zoneSyncRoutes } from './zone-sync.ts'

/** Filled in while the parts are made; read by parts made before it. */
export interface ZoneLink {
  client: KdsClient | undefined
  /** Whether everything global sends is here; nothing in a standalone zone. */
  isListed: () => boolean
  /** Called once all is loaded that the first proxy needs. */
  readonly onWarm: () => void
}

/** Components in start order. `link` is filled with the client towards global. */
export async function zoneComponents(parts: SharedParts, link: ZoneLink): Promise<readonly Component[]> {
  const { config, mesh, clock, log, metrics, leadership } = parts
  const adminAuthority = await sharedAdminAuthority(parts)
  const board = createSnapshotBoard()
  const pipeline = createProxyPipeline({
    mesh,
    clock,
    log,
    metrics,
    adminAuthority,
    streams: parts.streams,
    delivery: parts.delivery,
    onSnapshot: board.post,
    onRemoved: board.remove,
  })
  const listing = createZoneListing({
    leadership,
    instanceId: parts.identity.instanceId,
    log,
    client: () => link.client,
    isFederated: isFederated(config),
  })
  const { isListed } = listing
  link.isListed = isListed
  const recovering = createZoneRecovery(parts, {
    link,
    listing,
    isConnected: (proxyKey) => server.lifecycle.isConnected(proxyKey),
    issuer: () => issuer,
    pipeline,
  })
  const issuer = createIssuer(parts, pipeline, recovering)
  pipeline.useIssuer(issuer)
  const sharing = createZoneReplicas(parts, { facts: factsFrom(parts, recovering), lifecycle: () => server.lifecycle, recovering })
  const server = createServer(parts, { adminAuthority, snapshots: board, recovering, isListed, pipeline, sharing })
  const admin = adminAccess(parts, server)
  const reachability = isFederated(config) ? watchOtherZones(parts, server) : undefined
  const changes = createOwnChanges({ ...parts, zone: config.multizone.zone.name })
  if (reachability) link.client = createClient(parts, { admin, recovering, reachability, changes })
  const { client } = link
  const deliveries = deliveryOfReplicas({ ...parts, replicas: parts.own.replicas, log: log.child({ component: 'replicas' }) })
  const sync = client && zoneSyncByLeader(parts, client)
  const hosts = hostsComponent(parts)
  const meshInsights = meshInsightsComponent(parts)
  const monitoring = monitoringComponents(parts)
  return [
    storeComponent(parts),
    server.listener,
    parts.own.component,
    deliveryComponent(parts),
    deliveries,
    meshComponent(parts),
    startupComponent(parts),
    parts.insights,
    changes,
    ...(meshInsights ? [meshInsights] : []),
    listing,
    ...(client ? [leadership.while({ name: 'kds-client', outlivesTerm: true, make: () => client })] : []),
    pipeline,
    issuerComponent(parts, issuer),
    hosts,
    recovering,
    ...sharing.components,
    server,
    ...(reachability ? [reachability] : []),
    ...monitoring,
    ...httpComponents(parts, {
      envoyAdmin: admin,
      proxyConfig: proxyConfigOfReplicas(parts.own.replicas, (dataplane) => isHere(server, dataplane), configAccess(parts, pipeline)),
      rejections: rejections(parts, { server, pipeline }),
      routes: [
        recovering.route,
        ...changeRoutes({
          registry: parts.registry,
          access: apiSettings(config, parts.tls).access,
          report: zoneChangesOfReplicas(parts, changes, deliveries),
        }),
        ...(sync ? zoneSyncRoutes(parts, sync) : []),
      ],
      ...(sync && reachability ? { sync: { ...sync, reachability: () => reachability.row() } } : {}),
    }),
    codecsAhead(listing, link.onWarm),
    leadership.handover,
  ]
}

interface ServerNeeds {
  readonly adminAuthority: AdminAuthority
  readonly snapshots: ReturnType<typeof createSnapshotBoard>
  readonly recovering: ZoneRecovery
  readonly isListed: () => boolean
  readonly pipeline: ProxyPipeline
  readonly sharing: ZoneReplicas
}

function createServer(parts: SharedParts, needs: ServerNeeds): DataplaneServer {
  const { store, tls, verifier, insights, mesh, own, clock, log, metrics } = parts
  const { recovering, sharing } = needs
  return createDataplaneServer({
    settings: serverSettings(parts),
    store,
    tls,
    tokens: verifier,
    attempts: parts.budgets.proxies,
    adminAuthority: needs.adminAuthority,
    snapshots: needs.snapshots,
    recorder: own.isShared ? sayingProxies(insights.proxies, own.replicas.presence) : insights.proxies,
    sinks: sharing.sinks,
    isLiveElsewhere: sharing.isLiveElsewhere,
    clock,
    log,
    metrics,
    leading: parts.leadership,
    isComplete: needs.isListed,
    arriving: () => recovering.arriving(),
    isRecovering: (proxyKey) => recovering.recovery.isRecovering(proxyKey),
    onStream: (proxyKey, stream) => recovering.onStream(proxyKey, stream),
    onProgress: (proxyKey) => recovering.onProgress(proxyKey),
    onVerdict: needs.pipeline.onVerdict,
    delivery: parts.delivery,
    isLastEndpoint: (proxyKey, isLive) => mesh.soleEndpointOf(proxyKey, isLive).length > 0,
  })
}

function serverSettings({ config, identity }: SharedParts): DataplaneServerSettings {
  const { dpServer, xdsServer } = config
  const { params } = config.bootstrapServer
  return {
    host: '0.0.0.0',
    port: dpServer.port,
    tlsMinVersion: 'TLSv1.2',
    zone: config.multizone.zone.name,
    federated: isFederated(config),
    environment: config.environment,
    instanceId: identity.instanceId,
    authType: dpServer.authn.dpProxy.type || 'dpToken',
    enableReloadableTokens: dpServer.authn.enableReloadableTokens,
    xdsHost: params.xdsHost,
    xdsPort: params.xdsPort,
    xdsConnectTimeoutMs: params.xdsConnectTimeout,
    adminPort: params.adminPort,
    adminAddress: params.adminAddress,
    envoyAdminUnixSocket: params.envoyAdminUnixSocket,
    hdsEnabled: dpServer.hds.enabled,
    hdsIntervalMs: hdsIntervalMs(config),
    deregistrationDelayMs: xdsServer.dataplaneDeregistrationDelay,
    cleanupAgeMs: config.runtime.universal.dataplaneCleanupAge,
  }
}

/** A draining proxy is noticed by its health report, so reports come every second unless the operator wants them more often. */
function hdsIntervalMs(config: ControlPlaneConfig): number {
  return Math.min(config.dpServer.hds.interval, 1000)
}

/** What the dataplane server notices becomes facts, each in a transaction of the graph. */
function factsFrom({ graph, mesh }: SharedParts, recovering: Pick<ZoneRecovery, 'registered' | 'gone'>): ProxySinks {
  return {
    proxies: {
      set: (key, metadata) => {
        recovering.registered(key)
        graph.transact('proxy connected', () => mesh.proxies.set(key, metadata))
      },
      delete: (key) => {
        graph.transact('proxy gone', () => mesh.proxies.delete(key))
        recovering.gone(key)
      },
    },
    endpointStates: {
      set: (key, state) => graph.transact('endpoint state', () => mesh.endpointStates.set(key, state)),
      delete: (key) => graph.transact('endpoint state', () => mesh.endpointStates.delete(key)),
    },
    tlsAccepting: {
      set: (key) => graph.transact('proxy accepts mTLS', () => mesh.tlsAccepting.set(key, true)),
      delete: (key) => graph.transact('proxy gone', () => mesh.tlsAccepting.delete(key)),
    },
    together: (tell) => graph.transact('proxies', tell),
  }
}

interface ClientNeeds {
  readonly admin: EnvoyAdminOfReplicas
  readonly recovering: ZoneRecovery
  readonly reachability: Reachability
  readonly changes: OwnChanges
}

function createClient(parts: SharedParts, { admin, recovering, reachability, changes }: ClientNeeds): KdsClient {
  const { config, leadership, registry, clock, log, metrics, identity, insights, delivery } = parts
  const { zone } = config.multizone
  const { store } = leadership
  return createKdsClient({
    store,
    lease: { acquire: createStoreLease(store).acquire, onGranted: (listener) => leadership.onLead(listener) },
    registry,
    clock,
    log,
    metrics,
    recorder: insights.zones,
    envoyAdmin: {
      ask: (kind, proxy, options) => admin.ask(kind, { ...proxy, labels: {} }, options),
    },
    self: { instanceId: identity.instanceId, version: identity.version },
    zone: zone.name,
    globalAddress: zone.globalAddress,
    credentials: () => readCredentials(zone.kds),
    config: parts.configJson,
    systemNamespace: 'kuma-system',
    skipPrefixes: zone.kds.labels.skipPrefixes,
    massDelete: massDeleteGuard(config),
    ...(config.weft.adopt === '' ? {} : { adopts: config.weft.adopt }),
    recovered: recovering.recovery.over,
    listable: recovering.listable,
    reachability: () => reachability.row(),
    delivery,
    changes,
  })
}

/** Every commit counts, also one that no proxy depends on. */
function deliveryComponent({ store, delivery }: SharedParts): Component {
  let stop = (): void => {}
  return {
    name: 'delivery',
    start: async () => {
      stop = store.watch(store.seq, () => delivery.moved())
    },
    stop: async () => stop(),
  }
}

/** The way from this zone to the ingresses of the others. */
function watchOtherZones({ graph, mesh, clock, log, metrics }: SharedParts, server: DataplaneServer): Reachability {
  return createReachability({
    graph,
    mesh,
    clock,
    log,
    metrics,
    probe: createProbe(clock),
    clusters: (proxyKey) => {
      const [of = '', name = ''] = proxyKey.split('/')
      return server.admin.clusters({ mesh: of, name }, { format: 'json' })
    },
    isConnected: (proxyKey) => server.lifecycle.isConnected(proxyKey),
  })
}

/** Read from files anew, so that rotated ones are used without a restart. */
function readCredentials(kds: ControlPlaneConfig['multizone']['zone']['kds']): ZoneCredentials {
  const { tokenInline, tokenPath } = kds.auth
  const token = tokenPath === '' ? tokenInline : readFileSync(tokenPath, 'utf8').trim()
  return {
    skipVerify: kds.tlsSkipVerify,
    ...(kds.rootCaFile === '' ? {} : { rootCertificates: readFileSync(kds.rootCaFile) }),
    ...(kds.tlsClientCertFile === ''
      ? {}
      : { client: { certificate: readFileSync(kds.tlsClientCertFile), key: readFileSync(kds.tlsClientKeyFile) } }),
    ...(token === '' ? {} : { token }),
  }
}

type AdminCall = Parameters<NonNullable<ApiServerDeps['envoyAdmin']>['ask']>

function askAdmin(
  { admin }: DataplaneServer,
  kind: AdminCall[0],
  { proxy, options }: { readonly proxy: { readonly mesh: string; readonly name: string }; readonly options: AdminCall[2] },
): Promise<string> {
  const format = options.format ?? 'text'
  switch (kind) {
    case 'configDump':
      return admin.configDump(proxy, { includeEds: options.includeEds ?? false })
    case 'stats':
      return admin.stats(proxy, { format, usedOnly: options.usedOnly ?? true })
    case 'clusters':
      return admin.clusters(proxy, { format })
  }
}

/** A proxy whose stream is elsewhere is asked by who has it: only there is known how its Envoy is reached. */
function adminAccess({ own: { replicas } }: SharedParts, server: DataplaneServer): EnvoyAdminOfReplicas {
  return envoyAdminOfReplicas({
    replicas,
    holding: proxyHolding,
    isHere: (dataplane) => isHere(server, dataplane),
    ask: async (kind, proxy, options) => Buffer.from(await askAdmin(server, kind, { proxy, options })),
  })
}

function rejections(
  { own: { replicas }, store, log }: SharedParts,
  { server: { lifecycle }, pipeline }: { readonly server: DataplaneServer; readonly pipeline: ProxyPipeline },
): NonNullable<ApiServerDeps['rejections']> {
  return rejectionsOfReplicas({
    replicas,
    local: pipeline,
    proxies: () => store.list('Dataplane').map(nameKey),
    isHere: (proxyKey) => lifecycle.isConnected(proxyKey),
    isHeld: (proxyKey) => isProxyHeld(store, proxyKey),
    log,
  })
}

function isHere({ lifecycle }: DataplaneServer, dataplane: Pick<Resource, 'mesh' | 'name'>): boolean {
  return lifecycle.isConnected(nameKey(dataplane))
}

function configAccess({ mesh }: SharedParts, pipeline: ProxyPipeline): NonNullable<ApiServerDeps['proxyConfig']> {
  return {
    config: async (dataplane: Resource, { shadow }) => {
      const key = nameKey(dataplane)
      const facts = shadow ? mesh.shadowFacts(key) : mesh.proxyFacts.get(key)
      if (!facts) return undefined
      // a preview of shadow policies shows what they would do, not what Envoy made of it
      return pipeline.builder.preview(shadow ? facts : pipeline.effectiveFacts(facts))
    },
  }
}

/** Looks up the host names that endpoints use, from when the facts are there. */
function hostsComponent({ graph, mesh, clock, log }: SharedParts): Component {
  let stop = (): void => {}
  return {
    name: 'host-resolver',
    start: async () => {
      stop = resolveHosts({
        graph,
        facts: mesh,
        clock,
        log,
        lookup: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
      })
    },
    stop: async () => stop(),
  }
}
