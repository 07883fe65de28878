// Identities in a zone: authorities are the leader's to make and keep, and every replica issues by them to the proxies it serves.
import { hasCode } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import { timestamp } from '@weft/foundation/time'
import { type AdminAuthority, adminAuthorityKey, createIdentityIssuer, type IdentityIssuer, loadAdminAuthority } from '@weft/identity'
import { kriText } from '@weft/resources'
import { presentOrLeading } from './leadership.ts'
import type { ProxyPipeline } from './proxy-pipeline.ts'
import { issuesIdentities } from './role-settings.ts'
import type { SharedParts } from './shared-parts.ts'
import type { ZoneRecovery } from './zone-recovery.ts'

/** Certificates of proxies, by the authorities that the leader keeps. */
export function createIssuer(
  parts: SharedParts,
  pipeline: Pick<ProxyPipeline, 'onIssued'>,
  recovering: Pick<ZoneRecovery, 'trust'>,
): IdentityIssuer {
  const { config, leadership, clock, log, insights } = parts
  return createIdentityIssuer({
    store: leadership.store,
    mayWrite: leadership.mayWrite,
    clock,
    log: log.child({ component: 'identity' }),
    settings: { zone: config.multizone.zone.name, environment: config.environment },
    ...recovering.trust,
    onIssued: (proxyKey, svid) => {
      pipeline.onIssued(proxyKey, svid)
      const [mesh = '', name = ''] = proxyKey.split('/')
      insights.proxies.identityIssued(
        { mesh, name },
        {
          issuedBackend: svid.kri,
          supportedBackends: trustKris(parts, mesh),
          certificateExpirationTime: timestamp(svid.notAfter),
          lastCertificateRegeneration: timestamp(svid.issuedAt),
        },
      )
    },
  })
}

function trustKris({ store, registry }: SharedParts, mesh: string): readonly string[] {
  const short = registry.get('MeshTrust')?.short
  return short === undefined ? [] : store.list('MeshTrust', mesh).map((trust) => kriText(short, trust))
}

export function issuerComponent({ config, leadership }: SharedParts, issuer: IdentityIssuer): Component {
  let stop = (): void => {}
  return {
    name: 'identity-issuer',
    // creating authorities goes on beside the rest of the start
    start: async () => {
      if (!issuesIdentities(config)) return
      stop = leadership.onLead(() => issuer.lookAgain())
      void issuer.start()
    },
    stop: async () => {
      stop()
      await issuer.stop()
    },
  }
}

/** Made by the leader of the first start; the others use what it made. */
export async function sharedAdminAuthority({ leadership, clock }: SharedParts): Promise<AdminAuthority> {
  for (;;) {
    await presentOrLeading(leadership, (store) => store.get(adminAuthorityKey) !== undefined)
    try {
      return await loadAdminAuthority({ store: leadership.store, clock })
    } catch (error) {
      // the right was lost in between
      if (!hasCode(error, 'store/fenced') && !hasCode(error, 'store/unavailable')) throw error
    }
  }
}
