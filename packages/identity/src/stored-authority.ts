// Certificate authorities of a control plane's own that lie in one GlobalSecret each, certificate and key together.
import { hasCode } from '@weft/foundation/errors'
import { type CertificateAndKey, type CertificateAuthority, loadCertificateAuthority } from './certificates.ts'
import { issuerActor, type IdentityStore } from './identity-store.ts'
import { secretSpec, secretText } from './signing-keys.ts'

export interface StoredAuthority {
  readonly store: IdentityStore
  /** Of the GlobalSecret. */
  readonly name: string
  /** Why it is made, for the change log. */
  readonly reason: string
  readonly now: number
  make(now: number): Promise<CertificateAndKey>
}

/** Loads the authority from the store, creating it when absent. Errors: identity/invalid-ca, store/... */
export async function loadStoredAuthority({ store, name, reason, now, make }: StoredAuthority): Promise<CertificateAuthority> {
  const key = { type: 'GlobalSecret', mesh: '', name }
  if (!secretText(store.get(key))) {
    const { certificatePem, privateKeyPem } = await make(now)
    const resource = { ...key, labels: {}, spec: secretSpec(certificatePem + privateKeyPem) }
    try {
      await store.transact([{ op: 'put', resource, expect: 'absent' }], { actor: issuerActor, reason, class: 'observed' })
    } catch (error) {
      // another replica was first
      if (!hasCode(error, 'store/already-exists')) throw error
    }
  }
  const pem = secretText(store.get(key)) ?? ''
  return loadCertificateAuthority({
    certificatePem: pem,
    privateKeyPem: pem.slice(pem.search(/-----BEGIN [A-Z ]*PRIVATE KEY-----/)),
    allowSelfSigned: true,
    now,
  })
}
