// Which MeshTrusts of one zone global shares with the others: only a zone's own trust domain, so that no zone can vouch for another one.
import { labelKeys, type Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import { member, text } from './json.ts'

const defaultTemplate = '{{ .Mesh }}.{{ .Zone }}.mesh.local'

/**
 * True when the trust domain is the one that a global MeshIdentity, or the default template, gives this zone in this mesh, and the Mesh
 * does not turn sharing off (label `weft.io/trust-federation: disabled`).
 */
export function isSharedTrust(trust: Resource, zone: string, store: Pick<Store, 'get' | 'list'>): boolean {
  const mesh = store.get({ type: 'Mesh', mesh: '', name: trust.mesh })
  if (!mesh || mesh.labels[labelKeys.trustFederation] === 'disabled') return false
  const domain = text(trust.spec, 'trustDomain')
  return templates(trust.mesh, store).some((template) => render(template, trust.mesh, zone) === domain)
}

function templates(mesh: string, store: Pick<Store, 'list'>): readonly string[] {
  const written = store
    .list('MeshIdentity', mesh)
    .filter((identity) => (identity.labels[labelKeys.origin] ?? 'global') === 'global')
    .map((identity) => text(member(identity.spec, 'spiffeID'), 'trustDomain'))
  // a domain without the zone in it belongs to no zone in particular
  return [defaultTemplate, ...written.filter((template) => /\{\{\s*\.Zone\s*\}\}/.test(template))]
}

function render(template: string, mesh: string, zone: string): string {
  return template.replaceAll(/\{\{\s*\.(Mesh|Zone)\s*\}\}/g, (_, variable) => (variable === 'Mesh' ? mesh : zone))
}
