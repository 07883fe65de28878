// The global control plane: serves zones, reaches their Envoys through them.
import type { ApiServerDeps } from '@weft/api'
import { AppError } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import { admitBy, createKdsServer } from '@weft/kds'
import { labelKeys, nameKey, type Resource } from '@weft/resources'
import { livenessSettings } from './role-settings.ts'
import { readFile } from 'node:fs/promises'
import { type SharedParts, httpComponents, meshComponent, meshInsightsComponent, storeComponent } from './shared-parts.ts'

/** Share of a type, and number, from which a complete list that lacks them is held instead of applied. */
export const massDelete = { share: 1, min: Number.MAX_SAFE_INTEGER } as const

/** Components in start order. */
export async function globalComponents(parts: SharedParts, unready: () => readonly string[]): Promise<readonly Component[]> {
  const { config, store, registry, clock, log, identity, insights } = parts
  const { kds } = config.multizone.global
  const server = createKdsServer({
    store,
    registry,
    clock,
    log,
    recorder: insights.zones,
    admit: admitBy(kds.auth.type === 'none' ? 'none' : 'loopback'),
    self: { instanceId: identity.instanceId, version: identity.version },
    host: '0.0.0.0',
    port: kds.grpcPort,
    ...(kds.tlsEnabled ? { tls: await kdsCertificate(parts) } : {}),
    systemNamespace: 'kuma-system',
    skipPrefixes: kds.labels.skipPrefixes,
    liveness: livenessSettings(config),
    massDelete,
    isTrustShared: (trust) => isPublished(parts, trust),
  })
  const envoyAdmin: NonNullable<ApiServerDeps['envoyAdmin']> = {
    ask: (kind, dataplane, options) => {
      const zone = dataplane.labels[labelKeys.zone]
      if (!zone) throw new AppError('api/bad-request', `the dataplane ${dataplane.name} does not say which zone it is in`)
      return server.ask(zone, kind, dataplane, options)
    },
  }
  const meshInsights = meshInsightsComponent(parts)
  return [
    storeComponent(parts),
    meshComponent(parts),
    insights,
    ...(meshInsights ? [meshInsights] : []),
    server,
    ...httpComponents(parts, { envoyAdmin, sync: { zones: () => server.status(), liveness: (zone) => server.liveness(zone) } }, unready),
  ]
}

/** Whether the roots of a MeshTrust that a zone sent are published to the others. */
function isPublished({ mesh }: SharedParts, trust: Resource): boolean {
  const verdict = mesh.trustVerdicts?.get(nameKey(trust))
  return verdict !== undefined && verdict.refusal === undefined
}

async function kdsCertificate({ config, tls }: SharedParts): Promise<{ readonly certificate: string; readonly key: string }> {
  const { tlsCertFile, tlsKeyFile } = config.multizone.global.kds
  if (tlsCertFile === '') return { certificate: tls.current.certificatePem, key: tls.current.privateKeyPem }
  return { certificate: await readFile(tlsCertFile, 'utf8'), key: await readFile(tlsKeyFile, 'utf8') }
}
