// Sync between the global control plane and its zones: both ends.
export { createZoneAdmission, type VerifiedZoneToken, type ZoneAdmissionOptions, type ZoneAuthentication } from './admit.ts'
export { createKdsClient, type KdsClientOptions, type ZoneCredentials } from './client.ts'
export type {
  AdminKind,
  AdminOptions,
  Admitted,
  AdmitDecision,
  AdmitRequest,
  AdmitZone,
  ConnectedZone,
  DuplicateZone,
  EnvoyAdmin,
  GlobalConnection,
  HeldResources,
  HeldSelection,
  HoldReason,
  KdsClient,
  KdsServer,
  PeerDescription,
  PeerVersion,
  ReturnedDataplanes,
  ZoneCredential,
  ZoneStatusRecorder,
  ZoneStream,
  ZoneSubscription,
} from './contract.ts'
export { silentRecorder } from './contract.ts'
export { defaultMassDelete, type MassDeleteGuard } from './mass-delete-guard.ts'
export { type GlobalIdentity, type GlobalPin, pinConfig } from './global-pin.ts'
export { type ChangesOfReplica, mergeChanges } from './merge-changes.ts'
export { createOwnChanges, type OwnChanges, type OwnChangesOptions } from './own-changes.ts'
export { parseGlobalAddress } from './global-channel.ts'
export { isLoopbackTarget } from './loopback.ts'
export type { Self as KdsIdentity } from './peer.ts'
export type { SyncRefusal, SentType, ReceivedType, SyncCursor, SyncFailure, SyncProgress } from './sync-journal.ts'
export type {
  ChangeInZone,
  ChangeReport,
  ChangeSelection,
  ChangeView,
  Adoption,
  GlobalComparison,
  GlobalSync,
  NamedCount,
  OtherGlobalView,
  OwnedType,
  ReachabilityEntry,
  ReachabilityState,
  WaitingProxy,
  TypeComparison,
  ZoneLivenessView,
  ZoneState,
  ZoneSync,
} from './sync-status.ts'
export type { Delivery } from './received-progress.ts'
export { createKdsServer, type KdsServerOptions } from './server.ts'
export { trustedName } from './trust-spread.ts'
export { defaultLiveness, type LivenessSettings } from './zone-liveness.ts'
export type { ZonePortTls } from './zone-port.ts'
export { ledgerPrefix } from './origin-ledger.ts'
export { createStoreLease, epochConfig, epochIn, type ZoneLease } from './zone-lease.ts'
export { sessionReplica } from './shared-sessions.ts'
