// What the wiring of facts needs to know about this control plane. Fixed for the life of the process.
import { labelKeys, type Labels } from '@weft/resources'

/** Address ranges of virtual IPs, IPv4 CIDR text (contract/resources.md section 12). */
export interface VipRanges {
  readonly meshService: string
  readonly meshExternalService: string
  readonly meshMultiZoneService: string
}

/** Which generated resources this control plane writes. Those of the other role are off whatever is set. */
export interface GeneratorFlags {
  readonly meshServices: boolean
  readonly workloads: boolean
  readonly status: boolean
  readonly vips: boolean
  readonly hostnames: boolean
  readonly trustFederation: boolean
}

/** Which labels of its dataplanes a generated MeshService takes over. */
export interface LabelPropagation {
  /** All keys that are not reserved when empty. */
  readonly allowedKeys: readonly string[]
}

export interface MeshSettings {
  readonly mode: 'global' | 'zone'
  /** Name of this zone; '' on global. */
  readonly zone: string
  /** True for a zone that has a global control plane. */
  readonly federated: boolean
  readonly environment: 'universal' | 'kubernetes'
  readonly cidrs: VipRanges
  /** How long a generated MeshService without dataplanes stays. */
  readonly meshServiceGracePeriodMs: number
  /** Undefined: generated MeshServices have no labels of their dataplanes. */
  readonly labelPropagation: LabelPropagation | undefined
  /** How long a VIP that became free is not given to another destination. */
  readonly vipReuseMs: number
  readonly generators: GeneratorFlags
}

/** The settings of a standalone zone with default values. */
export const defaultMeshSettings: MeshSettings = {
  mode: 'zone',
  zone: 'default',
  federated: false,
  environment: 'universal',
  cidrs: { meshService: '241.0.0.0/8', meshExternalService: '242.0.0.0/8', meshMultiZoneService: '243.0.0.0/8' },
  meshServiceGracePeriodMs: 3_600_000,
  labelPropagation: undefined,
  vipReuseMs: 3_600_000,
  generators: { meshServices: true, workloads: true, status: true, vips: true, hostnames: true, trustFederation: true },
}

/** True when this zone owns the resource: everything that came from elsewhere carries origin global (contract/resources.md section 0). */
export function isLocal(labels: Labels, settings: MeshSettings): boolean {
  if (settings.mode === 'global') return false
  const origin = labels[labelKeys.origin]
  return origin === undefined || origin === '' || origin === 'zone'
}

/** The zone a resource belongs to; '' for those of global. */
export function zoneOf(labels: Labels, settings: MeshSettings): string {
  return labels[labelKeys.zone] || (isLocal(labels, settings) ? settings.zone : '')
}

/** True for what another zone owns; false for what is of this zone or of global. */
export function isOfOtherZone(labels: Labels, settings: MeshSettings): boolean {
  const zone = labels[labelKeys.zone]
  return !isLocal(labels, settings) && zone !== undefined && zone !== '' && zone !== settings.zone
}
