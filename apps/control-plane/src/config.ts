// The control plane's configuration: its schema, the rules between settings, and what follows from them.
import { type ConfigOf, type ConfigSources, loadConfig, type LoadedConfig, toPublicJson } from '@weft/foundation/config'
import { AppError } from '@weft/foundation/errors'
import type { Json } from '@weft/foundation/schema'
import { isLoopbackTarget } from '@weft/kds'
import { isReservedLabelKey } from '@weft/mesh'
import { isRfc1035Label } from '@weft/resources'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { checkReplicaServers } from './replica-servers.ts'
import { apiServer, general, multizone, store } from './config-schema.ts'
import {
  access,
  bootstrapServer,
  coreResources,
  dpServer,
  ipam,
  meshService,
  metrics,
  runtime,
  smallSections,
  xdsServer,
} from './config-schema-zone.ts'

/** Every setting of the control plane. */
export const controlPlaneConfig = {
  type: 'object',
  properties: {
    mode: { type: 'string', enum: ['global', 'zone'], default: 'zone', env: 'KUMA_MODE' },
    environment: { type: 'string', enum: ['universal', 'kubernetes'], default: 'universal', env: 'KUMA_ENVIRONMENT' },
    multizone,
    store,
    apiServer,
    general,
    dpServer,
    bootstrapServer,
    xdsServer,
    metrics,
    access,
    coreResources,
    ipam,
    meshService,
    runtime,
    ...smallSections,
  },
} as const

export type ControlPlaneConfig = ConfigOf<typeof controlPlaneConfig>

/** Loads and checks the configuration. Throws `config/invalid` or `config/unreadable` naming the key. */
export function loadControlPlaneConfig(sources: ConfigSources): LoadedConfig<typeof controlPlaneConfig> {
  const loaded = loadConfig(controlPlaneConfig, sources)
  checkTogether(loaded.config)
  return loaded
}

/** True for a zone that has a global control plane. */
export function isFederated(config: ControlPlaneConfig): boolean {
  return config.mode === 'zone' && config.multizone.zone.globalAddress !== ''
}

/** Absolute path of the folder for certificates and the embedded store. */
export function workDirOf(config: ControlPlaneConfig): string {
  return config.general.workDir === '' ? join(homedir(), '.weft') : resolve(config.general.workDir)
}

/** The configuration as `GET /config` shows it and as a zone sends it to global. */
export function publicConfig(config: ControlPlaneConfig): { readonly [key: string]: Json } {
  return toPublicJson(controlPlaneConfig, config)
}

function checkTogether(config: ControlPlaneConfig): void {
  const { mode, environment } = config
  const { name, globalAddress } = config.multizone.zone
  if (mode === 'global' && environment !== 'universal') {
    throw new AppError('config/invalid', 'environment must be universal when mode is global')
  }
  if (mode === 'zone' && !isRfc1035Label(name)) {
    throw new AppError('config/invalid', `multizone.zone.name must be a DNS label that starts with a letter, not ${JSON.stringify(name)}`)
  }
  if (mode === 'zone' && globalAddress !== '' && !/^grpcs?:\/\/[^/\s]+$/.test(globalAddress)) {
    throw new AppError(
      'config/invalid',
      `multizone.zone.globalAddress must look like grpcs://host:5685, not ${JSON.stringify(globalAddress)}`,
    )
  }
  checkZoneCredentials(config)
  checkReplicaServers(config)
  if (config.store.type === 'postgres') checkPostgres(config)
  const { pollInterval, timeout } = config.multizone.global.kds.zoneHealthCheck
  if (pollInterval > 0 !== timeout > 0) {
    throw new AppError('config/invalid', 'multizone.global.kds.zoneHealthCheck.pollInterval and timeout must be set together')
  }
  const reserved = config.meshService.labelPropagation.allowedKeys.find(isReservedLabelKey)
  if (reserved !== undefined) {
    throw new AppError(
      'config/invalid',
      `meshService.labelPropagation.allowedKeys must not hold the reserved key ${JSON.stringify(reserved)}`,
    )
  }
  const pairs = [
    ['general', config.general],
    ['apiServer.https', config.apiServer.https],
    ['dpServer', config.dpServer],
    ['diagnostics', config.diagnostics],
    ['multizone.global.kds', config.multizone.global.kds],
  ] as const
  for (const [key, { tlsCertFile, tlsKeyFile }] of pairs) {
    if ((tlsCertFile === '') !== (tlsKeyFile === ''))
      throw new AppError('config/invalid', `${key}.tlsCertFile and ${key}.tlsKeyFile must be set together`)
  }
}

function checkPostgres({ store: { postgres } }: ControlPlaneConfig): void {
  const at = 'store.postgres'
  for (const key of ['host', 'user', 'password', 'dbName'] as const) {
    if (postgres[key] === '') throw new AppError('config/invalid', `${at}.${key} must not be empty`)
  }
  const { mode, certPath, keyPath, caPath } = postgres.tls
  if ((mode === 'verifyCa' || mode === 'verifyFull') && caPath === '')
    throw new AppError('config/invalid', `${at}.tls.caPath must be set when ${at}.tls.mode is ${mode}`)
  if ((certPath === '') !== (keyPath === ''))
    throw new AppError('config/invalid', `${at}.tls.certPath and ${at}.tls.keyPath must be set together`)
}

function checkZoneCredentials({ multizone }: ControlPlaneConfig): void {
  const { globalAddress, kds } = multizone.zone
  const { tokenInline, tokenPath } = kds.auth
  const settings = 'multizone.zone.kds'
  if (tokenInline !== '' && tokenPath !== '')
    throw new AppError('config/invalid', `only one of ${settings}.auth.tokenInline and ${settings}.auth.tokenPath may be set`)
  if ((kds.tlsClientCertFile === '') !== (kds.tlsClientKeyFile === ''))
    throw new AppError('config/invalid', `${settings}.tlsClientCertFile and ${settings}.tlsClientKeyFile must be set together`)
  const isClear = globalAddress.startsWith('grpc://') && !isLoopbackTarget(globalAddress.slice('grpc://'.length))
  if (isClear && (tokenInline !== '' || tokenPath !== ''))
    throw new AppError(
      'config/invalid',
      'multizone.zone.globalAddress must start with grpcs:// when a zone token is set: a token must not travel in clear',
    )
}
