// The hostnames generators give to a destination, wherever it is asked for: also global, which resolves none itself, can tell
// (contract/rest-cli-gui.md section 5, `_hostnames`; contract/resources.md section 10).
import { field } from '@weft/foundation/json'
import { displayName, labelKeys, type Labels, renderTemplate, type Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import type { DestinationHostname } from './api-deps.ts'
import { matchesLabels } from './filters.ts'

export interface HostnameScene {
  readonly store: Pick<Store, 'list'>
  readonly mode: 'global' | 'zone'
  /** '' on global. */
  readonly zone: string
}

/** By generator name; generators that do not select the destination, cannot be rendered or give a name that another destination holds are left out. */
export function destinationHostnames(scene: HostnameScene, destination: Resource): readonly DestinationHostname[] {
  const zones = new Map<string, readonly string[]>()
  for (const generator of scene.store.list('HostnameGenerator')) {
    if (isHeldByAnother(scene, generator, destination)) continue
    const hostname = hostnameOf(scene, generator, destination)
    // the reference names the destination itself where it has no zone
    if (hostname !== undefined) zones.set(hostname, [destination.labels[labelKeys.zone] ?? displayName(destination)])
  }
  return [...zones].map(([hostname, names]) => ({ hostname, zones: names }))
}

function hostnameOf(scene: HostnameScene, generator: Resource, destination: Resource): string | undefined {
  const selector = field(field(generator.spec, 'selector'), `${destination.type.charAt(0).toLowerCase()}${destination.type.slice(1)}`)
  if (typeof selector !== 'object' || selector === null) return undefined
  const labels = field(selector, 'matchLabels')
  const wanted = typeof labels === 'object' && labels !== null ? { ...labels } : {}
  const isSelected = views(scene, generator, destination).some((view) => matchesLabels(wanted, { ...destination, labels: view }))
  const template = field(generator.spec, 'template')
  if (!isSelected || typeof template !== 'string') return undefined
  const { labels: own, name, mesh } = destination
  const fields = {
    Name: name,
    DisplayName: displayName(destination),
    Namespace: own[labelKeys.namespace] ?? '',
    Mesh: mesh,
    Zone: own[labelKeys.zone] ?? scene.zone,
  }
  const rendering = renderTemplate(template, { fields, labels: own })
  return 'text' in rendering ? rendering.text : undefined
}

/** A zone knows from the status which hostnames are another destination's; global, which every zone answers differently, does not. */
function isHeldByAnother({ mode }: HostnameScene, generator: Resource, { status }: Resource): boolean {
  if (mode !== 'zone') return false
  return itemsOf(field(status, 'hostnameGenerators')).some(
    (entry) =>
      field(field(entry, 'hostnameGeneratorRef'), 'coreName') === generator.name &&
      itemsOf(field(entry, 'conditions')).some((condition) => field(condition, 'reason') === 'Collision'),
  )
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Labels as the zones see them: at home a destination is from the zone, everywhere else from global. */
function views(scene: HostnameScene, generator: Resource, destination: Resource): readonly Labels[] {
  const { labels } = destination
  if (scene.mode === 'zone') return [labels]
  const home = labels[labelKeys.zone]
  const generatorZone = generator.labels[labelKeys.origin] === 'zone' ? generator.labels[labelKeys.zone] : undefined
  const abroad = { ...labels, [labelKeys.origin]: 'global' }
  if (home === undefined) return [abroad]
  const atHome = { ...labels, [labelKeys.origin]: 'zone' }
  if (generatorZone === undefined) return [atHome, abroad]
  return generatorZone === home ? [atHome] : [abroad]
}
