// Which way a kind travels between control planes and who may write it (contract/kds.md section 7, contract/rest-cli-gui.md section 3).

/** The peer's flag bits (contract/kds.md section 7). */
export const syncFlags = {
  consumedByZone: 1,
  consumedByGlobal: 4,
  providedByZone: 8,
  providedByGlobal: 16,
  syncedAcrossZones: 32,
} as const

const bits = {
  /** Written on global, sent to zones. */
  'global-to-zones': 17,
  /** Sent from global to zones; a zone may also write its own, which stay there. */
  'global-to-zones-zone-writable': 25,
  /** Written in zones, sent to global. */
  'zone-to-global': 12,
  /** Written in zones, sent to global and on to the other zones. */
  'zone-to-zones': 44,
  /** Written on both sides and sent to the other; a zone's own does not reach other zones. */
  'both-ways': 29,
  /** Written on both sides; a zone's own also reaches other zones. */
  everywhere: 61,
  /** Written on both sides, never sent. */
  local: 24,
  /** Written on global, never sent. */
  'global-only': 16,
} as const

export type SyncPlan = keyof typeof bits
export type ControlPlaneMode = 'global' | 'zone'

interface Synced {
  readonly sync: SyncPlan
}

/** The flag value of the plan, as in the table of contract/kds.md section 7.1. */
export function syncBits(kind: Synced): number {
  return bits[kind.sync]
}

/** True when zones subscribe to the kind. */
export function isSentToZones(kind: Synced): boolean {
  const value = syncBits(kind)
  const both = syncFlags.consumedByZone | syncFlags.providedByGlobal
  return (value & both) === both || isSharedAcrossZones(kind)
}

/** True when global subscribes to the kind. */
export function isSentToGlobal(kind: Synced): boolean {
  const both = syncFlags.consumedByGlobal | syncFlags.providedByZone
  return (syncBits(kind) & both) === both
}

/** True when global forwards one zone's resources of this kind to other zones. */
export function isSharedAcrossZones(kind: Synced): boolean {
  return (syncBits(kind) & syncFlags.syncedAcrossZones) !== 0
}

/** True when a control plane of this mode may own resources of the kind. */
export function isProvidedBy(kind: Synced, mode: ControlPlaneMode): boolean {
  return (syncBits(kind) & (mode === 'global' ? syncFlags.providedByGlobal : syncFlags.providedByZone)) !== 0
}
