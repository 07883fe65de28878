// SPIFFE names of a mesh: which MeshIdentity a proxy has, its trust domain and its id, from the templates of the resource
// (contract/dataplane.md section 11.1, contract/resources.md section 8). Pure.
import { kriText, labelKeys, type Labels, renderTemplate, type Resource, templateNames } from '@weft/resources'

/** The parts of a MeshIdentity spec this package reads. Everything may be missing or malformed in a stored value. */
export interface MeshIdentitySpec {
  readonly selector?: { readonly dataplane?: { readonly matchLabels?: Labels } }
  readonly spiffeID?: { readonly trustDomain?: string; readonly path?: string }
  readonly provider?: {
    readonly type?: string
    readonly bundled?: {
      readonly meshTrustCreation?: string
      readonly insecureAllowSelfSigned?: boolean
      readonly autogenerate?: { readonly enabled?: boolean }
      readonly ca?: { readonly certificate?: SecureDataSource; readonly privateKey?: SecureDataSource }
      readonly certificateParameters?: { readonly expiry?: string }
    }
  }
}

/** A value kept in a file, an environment variable, a Secret or the resource itself. */
export interface SecureDataSource {
  readonly type?: string
  readonly file?: { readonly path?: string }
  readonly envVar?: { readonly name?: string }
  readonly secretRef?: { readonly kind?: string; readonly name?: string }
  readonly insecureInline?: { readonly value?: string }
}

/** Where this control plane is: the zone's name ('' on global) and its environment. */
export interface SpiffeSettings {
  readonly zone: string
  readonly environment: 'universal' | 'kubernetes'
}

const defaultTrustDomain = '{{ .Mesh }}.{{ .Zone }}.mesh.local'
const workloadPath = '/workload/{{ .Workload }}'
const serviceAccountPath = '/ns/{{ .Namespace }}/sa/{{ .ServiceAccount }}'

/**
 * The MeshIdentity that gives a proxy with these labels its id: the one with most matching labels, then the smallest name.
 * A missing selector selects nothing, an empty one everything.
 */
export function selectIdentity<R extends Resource>(identities: readonly R[], labels: Labels): R | undefined {
  let best: { readonly identity: R; readonly size: number } | undefined
  for (const identity of identities) {
    const size = selectorMatch(identity, labels)
    if (size === undefined) continue
    if (!best || size > best.size || (size === best.size && identity.name < best.identity.name)) best = { identity, size }
  }
  return best?.identity
}

/** Every MeshIdentity whose selector matches the labels, in the order given. */
export function matchingIdentities<R extends Resource>(identities: readonly R[], labels: Labels): readonly R[] {
  return identities.filter((identity) => selectorMatch(identity, labels) !== undefined)
}

/** The trust domain of a MeshIdentity in a zone (its own zone label wins), undefined when the template cannot be rendered. */
export function trustDomainOf(identity: Resource, settings: SpiffeSettings): string | undefined {
  const zone = identity.labels[labelKeys.zone] || settings.zone
  const domain = render(specOf(identity).spiffeID?.trustDomain || defaultTrustDomain, identity.labels, { Mesh: identity.mesh, Zone: zone })
  return domain === '' || domain === undefined || domain.length > 253 ? undefined : domain
}

/** The path template of a MeshIdentity. */
export function pathTemplateOf(identity: Resource, settings: SpiffeSettings): string {
  return specOf(identity).spiffeID?.path || (settings.environment === 'kubernetes' ? serviceAccountPath : workloadPath)
}

/** True when the id depends on the workload label: such a proxy needs the label, and its token must be bound to it. */
export function usesWorkload(identity: Resource, settings: SpiffeSettings): boolean {
  const { fields, labels } = templateNames(pathTemplateOf(identity, settings))
  return fields.has('Workload') || labels.has(labelKeys.workload)
}

/** The SPIFFE id a proxy with these labels has under a MeshIdentity, undefined when a template cannot be rendered or is empty. */
export function spiffeIdOf(identity: Resource, labels: Labels, settings: SpiffeSettings): string | undefined {
  const trustDomain = trustDomainOf(identity, settings)
  if (trustDomain === undefined) return undefined
  const template = pathTemplateOf(identity, settings)
  if (usesWorkload(identity, settings) && !labels[labelKeys.workload]) return undefined
  const path = render(template, labels, {
    TrustDomain: trustDomain,
    Namespace: labels[labelKeys.namespace] ?? '',
    ServiceAccount: labels[labelKeys.serviceAccount] ?? '',
    Workload: labels[labelKeys.workload] ?? '',
  })
  if (path === undefined || path === '') return undefined
  return `spiffe://${trustDomain}${path.startsWith('/') ? '' : '/'}${path}`
}

/** KRI of a MeshIdentity or MeshTrust: `kri_<short>_<mesh>_<zone>_<namespace>_<display name>_`. */
export function identityKri(short: 'mid' | 'mtrust', resource: Resource): string {
  return kriText(short, resource)
}

/** The spec of a stored MeshIdentity. Stored values passed the codec; a missing spec reads as empty. */
export function specOf(identity: Resource): MeshIdentitySpec {
  // every field of the type is optional, and readers check what they use
  return typeof identity.spec === 'object' && identity.spec !== null ? (identity.spec as MeshIdentitySpec) : {}
}

function selectorMatch(identity: Resource, labels: Labels): number | undefined {
  const wanted = specOf(identity).selector?.dataplane
  if (!wanted) return undefined
  const pairs = Object.entries(wanted.matchLabels ?? {})
  return pairs.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value) ? pairs.length : undefined
}

/** Undefined when the template holds an unknown variable, a missing label or anything else between braces. */
function render(template: string, labels: Labels, fields: Readonly<Record<string, string>>): string | undefined {
  const rendering = renderTemplate(template, { fields, labels })
  return 'text' in rendering ? rendering.text.trim() : undefined
}
