// Which resources a zone of the 2.x line gets without some of their fields. Computed when somebody asks.
import type { Registry } from '@weft/resources'
import type { Store } from '@weft/store'
import type { LeftOut } from './contract.ts'
import { goesToZone, type ZoneTarget } from './outgoing-to-zone.ts'
import { fieldsLeftOut } from './second-generation.ts'

/** Every resource that goes to this zone with less than it says here. */
export function leftOutFor(
  target: ZoneTarget,
  { store, registry, systemNamespace }: { readonly store: Store; readonly registry: Registry; readonly systemNamespace: string },
): readonly LeftOut[] {
  return registry.all.flatMap((kind) =>
    store.list(kind.type).flatMap((resource): LeftOut[] => {
      const fields = fieldsLeftOut(kind, resource.spec)
      if (fields.length === 0 || !goesToZone(kind, resource, { target, store, systemNamespace })) return []
      return [{ type: kind.type, mesh: resource.mesh, name: resource.name, fields }]
    }),
  )
}
