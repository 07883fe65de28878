// The authority by which the replicas of one control plane know each other on the inter-CP port: the GlobalSecret `inter-cp-ca`, made by the
// first of them (contract/rest-cli-gui.md section 4.3).
import type { Clock } from '@weft/foundation/time'
import { type CertificateAndKey, createControlPlaneCa, issueAdminCertificate } from './certificates.ts'
import type { IdentityStore } from './identity-store.ts'
import { loadStoredAuthority } from './stored-authority.ts'

/** Name of its GlobalSecret. */
export const replicaAuthoritySecret = 'inter-cp-ca'

/** What one replica shows the others. The names of both certificates are its instance id. */
export interface ReplicaIdentity {
  readonly caPem: string
  readonly server: CertificateAndKey
  readonly client: CertificateAndKey
}

/** Certificates of this instance below the authority in the store, which is made when absent. Errors: identity/invalid-ca, store/... */
export async function issueReplicaIdentity(options: {
  readonly store: IdentityStore
  readonly clock: Clock
  readonly instanceId: string
}): Promise<ReplicaIdentity> {
  const now = options.clock.now()
  const authority = await loadStoredAuthority({
    store: options.store,
    name: replicaAuthoritySecret,
    reason: 'inter-cp authority',
    now,
    make: (at) => createControlPlaneCa(replicaAuthoritySecret, at),
  })
  const issue = (usage: 'server' | 'client'): Promise<CertificateAndKey> =>
    issueAdminCertificate(authority, { usage, name: options.instanceId, now })
  return { caPem: authority.certificatePem, server: await issue('server'), client: await issue('client') }
}
