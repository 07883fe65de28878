// The parts of a dataplane with the names they have in Envoy (contract/rest-cli-gui.md section 6.9).
import type { JsonObject } from '@weft/foundation/json'
import { kriText, nameKey } from '@weft/resources'
import type { Inspected } from './inspected.ts'

/** The body of `_layout`. Names are those of Envoy's listeners, clusters and statistics, so that statistics can be joined with it. */
export function dataplaneLayout({ source, resource, fact }: Inspected): JsonObject {
  const short = source.registry.get('Dataplane')?.short ?? ''
  const kri = (section: string): string => kriText(short, resource, section)
  const identity = source.mesh.identities.get(nameKey(resource))
  const outbounds = source.mesh
    .destinationsOf(nameKey(resource))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, port, protocol }) => ({ kri: id, port, protocol, proxyResourceName: id }))
  return {
    kri: kri(''),
    labels: resource.labels,
    inbounds: fact.inbounds.map(({ section, port }, index) => ({
      kri: kri(section),
      port,
      protocol: fact.writtenProtocols[index] ?? '',
      proxyResourceName: `self_inbound_dp_${section}`,
    })),
    outbounds,
    listeners: fact.zoneListeners.map(({ section, port, kind }) => ({
      kri: kri(section),
      type: kind,
      port,
      proxyResourceName: `self_${kind.toLowerCase()}_dp_${section}`,
    })),
    ...(identity ? { spiffeId: identity.spiffeId } : {}),
  }
}
