// The global control plane: serves zones, reaches their Envoys through them.
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import { type ClientAuthorities, loadClientAuthorities, loadServerTls, type ServerTls } from '@weft/foundation/tls'
import { createKdsServer, createZoneAdmission, type HeldSelection } from '@weft/kds'
import { labelKeys, nameKey, type Resource } from '@weft/resources'
import { changeRoutes } from './change-routes.ts'
import { globalChangesOfReplicas } from './changes-of-replicas.ts'
import { workDirOf } from './config.ts'
import { sayingZones } from './held-streams.ts'
import { envoyAdminOfReplicas, type NamedDataplane, zoneHolding } from './replica-questions.ts'
import { apiSettings, livenessSettings, massDeleteGuard } from './role-settings.ts'
import { globalSyncOfReplicas } from './sync-of-replicas.ts'
import { syncRepairRoutes } from './sync-repair-routes.ts'
import {
  type SharedParts,
  clusterIdOf,
  httpComponents,
  meshComponent,
  meshInsightsComponent,
  startupComponent,
  storeComponent,
} from './shared-parts.ts'
import { globalDeaths } from './zone-replicas.ts'

/** Components in start order. */
export async function globalComponents(parts: SharedParts): Promise<readonly Component[]> {
  const { config, store, registry, clock, log, metrics, identity, insights, own } = parts
  const { kds } = config.multizone.global
  const tls = kds.tlsEnabled ? await kdsTls(parts) : undefined
  const server = createKdsServer({
    store,
    registry,
    clock,
    log,
    metrics,
    recorder: own.isShared ? sayingZones(insights.zones, own.replicas.presence) : insights.zones,
    admit: createZoneAdmission({
      type: kds.auth.type,
      store,
      log,
      verifyToken: (token) => parts.verifier.zone(token),
      clusterId: () => clusterIdOf(store),
    }),
    attempts: parts.budgets.zones,
    self: { instanceId: identity.instanceId, version: identity.version },
    host: '0.0.0.0',
    port: kds.grpcPort,
    ...(tls ? { tls } : {}),
    systemNamespace: 'kuma-system',
    skipPrefixes: kds.labels.skipPrefixes,
    liveness: livenessSettings(config),
    massDelete: massDeleteGuard(config),
    clusterLasts: config.store.type !== 'memory',
    isTrustShared: (trust) => isPublished(parts, trust),
    ...(parts.own.isShared
      ? { replicas: { isLiving: parts.own.isLiving, isAnswering: (replica, zone) => zoneAnswers(parts, replica, zone) } }
      : {}),
  })
  parts.own.replicas.serve(answersTopic, async (zone) => Buffer.from(String(await server.isAnswering(Buffer.from(zone).toString()))))
  const zoneOf = (dataplane: NamedDataplane): string => {
    const zone = dataplane.labels[labelKeys.zone]
    if (!zone) throw new AppError('api/bad-request', `the dataplane ${dataplane.name} does not say which zone it is in`)
    return zone
  }
  const envoyAdmin = envoyAdminOfReplicas({
    replicas: parts.own.replicas,
    holding: zoneHolding,
    isHere: (dataplane) => server.zones().some(({ zone }) => zone === zoneOf(dataplane)),
    ask: async (kind, dataplane, options) => server.ask(zoneOf(dataplane), kind, dataplane, options),
  })
  const sync = globalSyncOfReplicas(parts.own.replicas, server, log)
  const decisions = {
    held: () => server.held(),
    approveRemoval: (which: HeldSelection) => server.approveRemoval(which),
    rejectRemoval: (which: HeldSelection) => server.rejectRemoval(which),
  }
  const { access } = apiSettings(config, parts.tls)
  const meshInsights = meshInsightsComponent(parts)
  return [
    storeComponent(parts),
    parts.own.component,
    meshComponent(parts),
    startupComponent(parts),
    insights,
    ...(meshInsights ? [meshInsights] : []),
    ...globalDeaths(parts),
    ...(tls ? [kdsTlsComponent(tls, parts.tls)] : []),
    server,
    ...httpComponents(parts, {
      envoyAdmin,
      sync: {
        ...sync,
        liveness: (zone) => server.liveness(zone),
      },
      routes: [
        ...syncRepairRoutes({ sync: { ...decisions, refusals: sync.refusals }, access, log }),
        ...changeRoutes({ registry, access, report: globalChangesOfReplicas(parts.own.replicas, server, log) }),
      ],
    }),
    parts.leadership.handover,
  ]
}

const answersTopic = 'kds/zone-answers'
/** Longer than the other waits for the zone itself. */
const answersLimitMs = 4_000

/** Whether a zone answers the replica that has its session. One that cannot say has it no more. */
async function zoneAnswers({ own, log }: SharedParts, replica: string, zone: string): Promise<boolean> {
  try {
    const answer = await own.replicas.ask(replica, { topic: answersTopic, body: Buffer.from(zone), limitMs: answersLimitMs })
    return Buffer.from(answer).toString() === 'true'
  } catch (error) {
    log.info({ component: 'replicas', replica, zone, err: messageOf(error) }, 'a replica does not say whether its zone answers')
    return false
  }
}

/** Whether the roots of a MeshTrust that a zone sent are published to the others. */
function isPublished({ mesh }: SharedParts, trust: Resource): boolean {
  const verdict = mesh.trustVerdicts?.get(nameKey(trust))
  return verdict !== undefined && verdict.refusal === undefined
}

/** Certificate and client authorities of the sync port, both followed on disk. */
async function kdsTls({ config, tls, clock, log }: SharedParts): Promise<KdsTls> {
  const { tlsCertFile, tlsKeyFile, tlsClientCaFile } = config.multizone.global.kds
  const options = { clock, log: log.child({ component: 'kds.tls' }) }
  return {
    server:
      tlsCertFile === ''
        ? tls
        : await loadServerTls({
            ...options,
            certificateFile: tlsCertFile,
            privateKeyFile: tlsKeyFile,
            workDir: workDirOf(config),
            generate: () => Promise.reject(new Error('never made when files are named')),
          }),
    ...(tlsClientCaFile === '' ? {} : { clients: await loadClientAuthorities({ ...options, file: tlsClientCaFile }) }),
  }
}

interface KdsTls {
  readonly server: ServerTls
  readonly clients?: ClientAuthorities
}

/** The watched files of the sync port, as something to stop. */
function kdsTlsComponent(tls: KdsTls, shared: ServerTls): Component {
  return {
    name: 'kds-tls',
    start: async () => {},
    stop: async () => {
      if (tls.server !== shared) tls.server.close()
      tls.clients?.close()
    },
  }
}
