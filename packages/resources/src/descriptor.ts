// The descriptor of a kind: one literal that every other part reads (types, checks, REST, CLI, sync, console). Invariant: nothing about
// a kind is written down anywhere else.
import type { Violation } from '@weft/foundation/errors'
import type { Infer, ObjectSchema } from '@weft/foundation/schema'
import type { Labels, Resource } from './model.ts'
import { type ControlPlaneMode, isProvidedBy, type SyncPlan } from './sync-plan.ts'

export interface RestFacet {
  /** Plural path segment. */
  readonly path: string
  readonly aliases?: readonly string[]
  /** Nobody writes it through the API. */
  readonly readOnly?: boolean
  /** Only administrators read and write it. */
  readonly adminOnly?: boolean
}

export interface CliFacet {
  readonly one: string
  readonly many: string
  readonly aliases?: readonly string[]
}

/** How policies of a kind are matched and ordered (contract/policies.md section 1.9). */
export interface PolicyFacet {
  /** Place in the sequence of effects; unique. */
  readonly order: number
  /** Has `spec.to`. */
  readonly to: boolean
  /** Has `spec.rules`. */
  readonly rules: boolean
  /** Has one `spec.default` for the whole proxy. */
  readonly single: boolean
}

export interface ServicePort {
  /** Port name, or the number in decimal when unnamed. */
  readonly name: string
  readonly port: number
}

/** What makes a kind a destination of traffic. Method syntax: descriptors of different specs live in one registry. */
export interface DestinationFacet<Spec> {
  ports(spec: Spec): readonly ServicePort[]
}

/** What semantic validation may look at besides the spec. */
export interface ValidationContext {
  /** Path of the spec: `spec`, or '' for kinds whose spec fields are top level. */
  readonly at: string
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
}

/** How the spec travels between control planes. */
export interface WireFacet {
  /** `json`, or the full name of the protobuf message of the spec. */
  readonly spec: string
  /**
   * The last fields of the message, in the order of their numbers, whose values stay the same objects while other fields change: each value is
   * packed once, and its bytes are kept for as long as it lives.
   */
  readonly lasting?: readonly string[]
}

interface KindFacets {
  /** The `type` of its resources. */
  readonly type: string
  readonly scope: 'Mesh' | 'Global'
  /** KRI short name; kinds without one have no KRI. */
  readonly short?: string
  /** Absent: not reachable by REST. */
  readonly rest?: RestFacet
  readonly cli?: CliFacet
  readonly display: { readonly one: string; readonly many: string }
  readonly sync: SyncPlan
  readonly wire: WireFacet
  /** False: keeps its plain name between control planes (the peer's SkipKDSHash). */
  readonly hashedName?: boolean
  /** `label`: the display name must be an RFC 1035 label; otherwise an RFC 1123 subdomain. */
  readonly naming?: 'label' | 'subdomain'
  /** Its spec is a secret: sealed in the history, never shown there. */
  readonly isConfidential?: boolean
  /** On Kubernetes only allowed in the system namespace. */
  readonly systemNamespaceOnly?: boolean
  readonly kubernetes?: { readonly scope: 'Cluster' | 'Namespaced'; readonly object?: 'Secret' | 'ConfigMap'; readonly secretType?: string }
  readonly policy?: PolicyFacet
  /** Kind of the insight that belongs to this kind, and the name of the combined overview. */
  readonly overview?: { readonly insight: string; readonly type: string }
}

/** What a kind's file writes. `S` and `T` are inferred from the literals. */
export interface ResourceLiteral<S extends ObjectSchema, T extends ObjectSchema> extends KindFacets {
  readonly spec: S
  /** A checked `{}` of this schema is the status of a new resource. */
  readonly status?: T
  readonly destination?: DestinationFacet<Infer<S>>
  /** Rules the schema cannot say. Never throws; sees a checked spec. */
  validate?(spec: Infer<S>, context: ValidationContext): readonly Violation[]
  /** Labels that follow from the spec, written on every create and update. */
  specLabels?(spec: Infer<S>): Labels
}

interface DescriptorCore extends KindFacets {
  readonly hashedName: boolean
  readonly naming: 'label' | 'subdomain'
  readonly destination?: DestinationFacet<unknown>
  validate?(spec: unknown, context: ValidationContext): readonly Violation[]
  specLabels?(spec: unknown): Labels
}

/** Any kind, as registries and generic code see it: its functions take a spec that was checked against `spec`. */
export interface ResourceDescriptor extends DescriptorCore {
  readonly spec: ObjectSchema
  readonly status?: ObjectSchema
}

/** A kind whose spec and status types are known. */
export interface TypedDescriptor<S extends ObjectSchema, T extends ObjectSchema> extends DescriptorCore {
  readonly spec: S
  readonly status?: T
}

/** The spec type of a descriptor. */
export type SpecOf<D> = D extends { readonly spec: infer S } ? Infer<S> : never
/** The status type of a descriptor. */
export type StatusOf<D> = D extends { readonly status?: infer T } ? Infer<NonNullable<T>> : never
/** The resource type of a descriptor. */
export type ResourceOf<D> = Resource<SpecOf<D>, StatusOf<D>>

/** Makes a descriptor; frozen. The literal's types flow into SpecOf and StatusOf. */
export function defineResource<const S extends ObjectSchema, const T extends ObjectSchema = never>(
  literal: ResourceLiteral<S, T>,
): TypedDescriptor<S, T> {
  const kind = { ...literal, hashedName: literal.hashedName ?? true, naming: literal.naming ?? 'subdomain' }
  // the functions of a kind only ever see specs that were checked against its own schema
  return Object.freeze(kind) as unknown as TypedDescriptor<S, T>
}

/** True when the spec travels as JSON and sits under `spec` in REST; false for protobuf kinds, whose fields are top level. */
export function isJsonKind(kind: { readonly wire: { readonly spec: string } }): boolean {
  return kind.wire.spec === 'json'
}

/** Path of the spec in violations: `spec`, or '' when its fields are top level. */
export function specPath(kind: { readonly wire: { readonly spec: string } }): string {
  return isJsonKind(kind) ? 'spec' : ''
}

/** Whether the API of a control plane may not write the kind (contract/rest-cli-gui.md section 3). `federated`: a zone with a global. */
export function isReadOnly(kind: ResourceDescriptor, mode: ControlPlaneMode, federated: boolean): boolean {
  if (kind.rest === undefined || kind.rest.readOnly === true) return true
  if (mode === 'zone' && !federated) return false
  return !isProvidedBy(kind, mode)
}
