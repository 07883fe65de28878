// From the configuration tree to the settings of the parts. Pure; nothing here has defaults of its own.
import type { ApiSettings, ServerCertificate } from '@weft/api'
import { defaultLiveness, defaultMassDelete, type LivenessSettings, type MassDeleteGuard } from '@weft/kds'
import type { MeshSettings } from '@weft/mesh'
import { type ControlPlaneConfig, isFederated } from './config.ts'

/** A loop of the reference set to an hour or more is one the operator wants not to run; so is 0. Ours has no loop, so it is off then. */
const offFromMs = 3_600_000

function isOn(intervalMs: number): boolean {
  return intervalMs > 0 && intervalMs < offFromMs
}

export function meshSettings(config: ControlPlaneConfig): MeshSettings {
  const { status } = config.coreResources
  const { labelPropagation } = config.meshService
  return {
    mode: config.mode,
    zone: config.mode === 'zone' ? config.multizone.zone.name : '',
    federated: isFederated(config),
    environment: config.environment,
    cidrs: {
      meshService: config.ipam.meshService.cidr,
      meshExternalService: config.ipam.meshExternalService.cidr,
      meshMultiZoneService: config.ipam.meshMultiZoneService.cidr,
    },
    meshServiceGracePeriodMs: config.meshService.deletionGracePeriod,
    labelPropagation: labelPropagation.enabled ? { allowedKeys: labelPropagation.allowedKeys } : undefined,
    vipReuseMs: 3_600_000,
    generators: {
      meshServices: isOn(config.meshService.generationInterval),
      workloads: isOn(config.runtime.universal.workloadGenerationInterval),
      status: isOn(status.meshServiceInterval),
      vips: isOn(config.ipam.allocationInterval),
      hostnames: true,
      trustFederation: true,
    },
  }
}

/** Ours unless the operator set the reference's, which are off by default. */
export function livenessSettings(config: ControlPlaneConfig): LivenessSettings {
  const { pollInterval, timeout } = config.multizone.global.kds.zoneHealthCheck
  const intervalMs = pollInterval > 0 ? pollInterval : defaultLiveness.intervalMs
  return { intervalMs, silentAfterMs: timeout > 0 ? timeout : 3 * intervalMs }
}

/** When deletions of a peer wait for approval. */
export function massDeleteGuard({ weft }: ControlPlaneConfig): MassDeleteGuard {
  const { percent, within } = weft.massDelete
  return { ...defaultMassDelete, share: percent / 100, windowMs: within }
}

/** False when the operator froze identities. */
export function issuesIdentities(config: ControlPlaneConfig): boolean {
  return isOn(config.coreResources.status.meshIdentityInterval)
}

export function apiSettings(config: ControlPlaneConfig, certificate: ServerCertificate): ApiSettings {
  const { apiServer } = config
  const rights = config.access.static
  return {
    http: apiServer.http,
    https: {
      enabled: apiServer.https.enabled,
      interface: apiServer.https.interface,
      port: apiServer.https.port,
      certificate,
      minVersion: 'TLSv1.2',
    },
    readOnly: apiServer.readOnly,
    basePath: apiServer.basePath,
    guiBasePath: apiServer.gui.basePath,
    corsAllowedDomains: apiServer.corsAllowedDomains,
    localhostIsAdmin: apiServer.authn.localhostIsAdmin,
    access: {
      adminResources: rights.adminResources,
      generateDataplaneToken: rights.generateDpToken,
      generateUserToken: rights.generateUserToken,
      generateZoneToken: rights.generateZoneToken,
      viewConfigDump: rights.viewConfigDump,
      viewStats: rights.viewStats,
      viewClusters: rights.viewClusters,
      controlPlaneMetadata: rights.controlPlaneMetadata,
    },
    unsafeDelete: config.store.unsafeDelete,
    disableOriginLabelValidation: config.multizone.zone.disableOriginLabelValidation,
    readHeaderTimeoutMs: apiServer.readHeaderTimeout,
    readTimeoutMs: apiServer.readTimeout,
    writeTimeoutMs: apiServer.writeTimeout,
    idleTimeoutMs: apiServer.idleTimeout,
  }
}
