// The PKI between this control plane and the admin listeners of its Envoys: one GlobalSecret per zone holds certificate and key together
// (contract/dataplane.md section 14.3). Server certificates are made per address and kept in memory.
import type { Clock } from '@weft/foundation/time'
import { type CertificateAndKey, createEnvoyAdminCa, issueAdminCertificate } from './certificates.ts'
import type { IdentityStore } from './identity-store.ts'
import { loadStoredAuthority } from './stored-authority.ts'

/** Where it is kept. */
export const adminAuthorityKey = { type: 'GlobalSecret', mesh: '', name: 'envoy-admin-ca' } as const

/** SAN of the control plane's client certificate. */
export const adminClientName = 'kuma-cp'

export interface AdminAuthority {
  /** The root that proxies trust for admin clients and the control plane for admin listeners. */
  readonly caPem: string
  /** Presented to admin listeners. */
  readonly client: CertificateAndKey
  /** Presented by the admin listener of a proxy at this address; the same for the same address. */
  server(address: string): Promise<CertificateAndKey>
  /** What `server` resolved with for this address: always the same object; undefined before. */
  issued(address: string): CertificateAndKey | undefined
}

/** Loads the admin authority of this zone from the store, creating it when absent. Errors: identity/invalid-ca, store/... */
export async function loadAdminAuthority(options: { readonly store: IdentityStore; readonly clock: Clock }): Promise<AdminAuthority> {
  const { store, clock } = options
  const authority = await loadStoredAuthority({
    store,
    name: adminAuthorityKey.name,
    reason: 'envoy admin authority',
    now: clock.now(),
    make: createEnvoyAdminCa,
  })
  const servers = new Map<string, Promise<CertificateAndKey>>()
  const issued = new Map<string, CertificateAndKey>()
  return {
    caPem: authority.certificatePem,
    client: await issueAdminCertificate(authority, { usage: 'client', name: adminClientName, now: clock.now() }),
    server: (address) => {
      let server = servers.get(address)
      if (!server) {
        server = issueAdminCertificate(authority, { usage: 'server', name: address, now: clock.now() })
        servers.set(address, server)
        server.then(
          (certificate) => issued.set(address, certificate),
          () => servers.delete(address),
        )
      }
      return server
    },
    issued: (address) => issued.get(address),
  }
}
