// The PKI between this control plane and the admin listeners of its Envoys: one GlobalSecret per zone holds certificate and key together
// (contract/dataplane.md section 14.3). Server certificates are made per address and kept in memory.
import { hasCode } from '@weft/foundation/errors'
import type { Clock } from '@weft/foundation/time'
import {
  createEnvoyAdminCa,
  issueAdminCertificate,
  loadCertificateAuthority,
  type CertificateAndKey,
  type CertificateAuthority,
} from './certificates.ts'
import { issuerActor, type IdentityStore } from './identity-store.ts'
import { secretSpec, secretText } from './signing-keys.ts'

/** SAN of the control plane's client certificate. */
export const adminClientName = 'kuma-cp'
const secretKey = { type: 'GlobalSecret', mesh: '', name: 'envoy-admin-ca' }

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
  const stored = (): string | undefined => secretText(store.get(secretKey))
  if (!stored()) {
    const made = await createEnvoyAdminCa(clock.now())
    try {
      await store.transact(
        [
          {
            op: 'put',
            resource: { ...secretKey, labels: {}, spec: secretSpec(made.certificatePem + made.privateKeyPem) },
            expect: 'absent',
          },
        ],
        { actor: issuerActor, reason: 'envoy admin authority', class: 'observed' },
      )
    } catch (error) {
      // another replica was first
      if (!hasCode(error, 'store/already-exists')) throw error
    }
  }
  const pem = stored() ?? ''
  const authority: CertificateAuthority = await loadCertificateAuthority({
    certificatePem: pem,
    privateKeyPem: pem.slice(pem.search(/-----BEGIN [A-Z ]*PRIVATE KEY-----/)),
    allowSelfSigned: true,
    now: clock.now(),
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
