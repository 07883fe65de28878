// The one shape every resource has inside the process, whatever its wire form.

export type Labels = Readonly<Record<string, string>>

/** What makes a resource unique. `mesh` is '' for kinds of global scope. */
export interface ResourceKey {
  readonly type: string
  readonly mesh: string
  readonly name: string
}

/**
 * A resource value. Immutable: a change makes a new object. `spec` and `status` are canonical JSON (the shape REST shows: lowerCamel,
 * durations and 64-bit numbers as strings) for protobuf-backed kinds too; only the codecs know the wire form.
 */
export interface Resource<Spec = unknown, Status = unknown> extends ResourceKey {
  readonly labels: Labels
  /** RFC 3339, UTC. */
  readonly creationTime: string
  readonly modificationTime: string
  /** Sequence number of the write that made this value; 0 when it was never stored. Not part of equality. */
  readonly version: number
  readonly spec: Spec
  readonly status?: Status
}

/** A stable text form of a key, unique across kinds. Type, mesh and name never contain '/'. */
export function keyText(key: ResourceKey): string {
  return `${key.type}/${key.mesh}/${key.name}`
}

/** `mesh/name`: the key of a resource within its kind's collection, and of a proxy. */
export function nameKey(key: { readonly mesh: string; readonly name: string }): string {
  return `${key.mesh}/${key.name}`
}

/** The well-known label keys (contract/kds.md section 9.1, contract/resources.md section 1.3). */
export const labelKeys = {
  displayName: 'kuma.io/display-name',
  origin: 'kuma.io/origin',
  zone: 'kuma.io/zone',
  mesh: 'kuma.io/mesh',
  env: 'kuma.io/env',
  namespace: 'k8s.kuma.io/namespace',
  serviceAccount: 'k8s.kuma.io/service-account',
  policyRole: 'kuma.io/policy-role',
  kdsSync: 'kuma.io/kds-sync',
  managedBy: 'kuma.io/managed-by',
  effect: 'kuma.io/effect',
  workload: 'kuma.io/workload',
  zoneIngress: 'kuma.io/listener-zoneingress',
  zoneEgress: 'kuma.io/listener-zoneegress',
  graceStarted: 'kuma.io/deletion-grace-period-started-at',
  /** On a Mesh: `disabled` stops global from sharing the zones' trust domains. */
  trustFederation: 'weft.io/trust-federation',
  /** On a Zone: `none` admits it without credentials where global asks for them. */
  zoneAuth: 'weft.io/zone-auth',
  /** On such a Zone: the addresses it may come from, `<address>/<bits>`. */
  zoneCidr: 'weft.io/zone-cidr',
  /** On a Mesh: `keep`, `deprioritize` (default) or `withdraw` endpoints in a zone that cannot be reached. */
  unreachableZone: 'weft.io/unreachable-zone',
  /** On a Mesh: for how long it must have been out of reach; 30s by default. */
  unreachableZoneAfter: 'weft.io/unreachable-zone-after',
} as const

/** Display name: the label, else the resource name. */
export function displayName(resource: { readonly name: string; readonly labels: Labels }): string {
  return resource.labels[labelKeys.displayName] || resource.name
}
