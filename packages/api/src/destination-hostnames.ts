// The hostnames a destination holds, wherever it is asked for: also global, which resolves none itself, can tell
// (contract/rest-cli-gui.md section 5, `_hostnames`; contract/resources.md section 10).
import { field } from '@weft/foundation/json'
import { displayName, labelKeys, type Labels, type Registry, type Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import type { DestinationHostname } from './api-deps.ts'
import { matchesLabels } from './filters.ts'
import { holdsHostname, hostnameBy, selectorOf } from './hostname-places.ts'

export interface HostnameScene {
  readonly store: Pick<Store, 'list'>
  readonly registry: Pick<Registry, 'destinations'>
  readonly mode: 'global' | 'zone'
  /** '' on global. */
  readonly zone: string
}

/** By generator name; generators that do not select the destination, cannot be rendered or give a name that another destination holds are left out. */
export function destinationHostnames(scene: HostnameScene, destination: Resource): readonly DestinationHostname[] {
  const { store, registry, mode } = scene
  const generators = store.list('HostnameGenerator')
  const rivals = (): readonly Resource[] => registry.destinations.flatMap(({ type }) => store.list(type, destination.mesh))
  const view = mode === 'global' ? { generators, destinations: rivals(), zones: store.list('Zone').map(({ name }) => name) } : undefined
  const zones = new Map<string, readonly string[]>()
  for (const generator of generators) {
    const hostname = isSelected(scene, generator, destination) ? hostnameBy(generator, destination, scene.zone) : undefined
    if (hostname === undefined) continue
    if (view ? !holdsHostname(view, generator, destination, hostname) : isHeldByAnother(generator, destination)) continue
    // the reference names the destination itself where it has no zone
    zones.set(hostname, [destination.labels[labelKeys.zone] ?? displayName(destination)])
  }
  return [...zones].map(([hostname, names]) => ({ hostname, zones: names }))
}

function isSelected(scene: HostnameScene, generator: Resource, destination: Resource): boolean {
  const wanted = selectorOf(generator, destination.type)
  return (
    wanted !== undefined && views(scene, generator, destination).some((view) => matchesLabels(wanted, { ...destination, labels: view }))
  )
}

/** A zone knows from the status which hostnames are another destination's. */
function isHeldByAnother(generator: Resource, { status }: Resource): boolean {
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
