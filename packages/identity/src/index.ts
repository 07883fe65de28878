export type { AdminAuthority } from './admin-authority.ts'
export { adminAuthorityKey, adminClientName, loadAdminAuthority } from './admin-authority.ts'
export type { CertificateAndKey, CertificateAuthority, IssuedSvid } from './certificates.ts'
export {
  createEnvoyAdminCa,
  createMeshCa,
  createClientCertificate,
  createServerCertificate,
  defaultSvidLifetimeMs,
  fingerprintOf,
  issueAdminCertificate,
  issueSvid,
  loadCertificateAuthority,
  parseCertificates,
} from './certificates.ts'
export type { IdentityIssuer, IdentityIssuerOptions } from './identity-issuer.ts'
export { readinessOf, type IdentityReadiness } from './identity-conditions.ts'
export { createIdentityIssuer, trustSpreadCapMs } from './identity-issuer.ts'
export { authoritySecretNames } from './identity-provider.ts'
export type { IdentityPut, IdentityStore } from './identity-store.ts'
export type { KeyPair, KeyType } from './key-pair.ts'
export { generateKeyPair, importPrivateKey, privateKeyPem } from './key-pair.ts'
export type { ReplicaIdentity } from './replica-authority.ts'
export { issueReplicaIdentity, replicaAuthoritySecret } from './replica-authority.ts'
export { createOwnServerCertificate } from './server-certificate.ts'
export type { ConfiguredPublicKey, KeyRing, SecretReader, TokenKey, TokenKind } from './signing-keys.ts'
export {
  createKeyRing,
  generateSigningKey,
  publicKeyOfSigningKey,
  publicKeyRef,
  secretSpec,
  secretText,
  signingKeyRef,
} from './signing-keys.ts'
export type { MeshIdentitySpec, SecureDataSource, SpiffeSettings } from './spiffe.ts'
export { identityKri, matchingIdentities, pathTemplateOf, selectIdentity, spiffeIdOf, trustDomainOf, usesWorkload } from './spiffe.ts'
export type { PendingSvid, Svid, WantedIdentity } from './svid-issuance.ts'
export type { DataplaneTokenClaims, TokenFacts, TokenIssuer, TokenVerifier, UserTokenClaims, ZoneTokenClaims } from './tokens.ts'
export { createTokenIssuer, createTokenVerifier } from './tokens.ts'
