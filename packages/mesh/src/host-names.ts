// Host names used where an endpoint needs an address, for whoever resolves them.
import { isIP } from 'node:net'
import type { Collection, Graph } from '@weft/graph'
import type { DataplaneFact } from './dataplanes.ts'
import type { ZoneAddress } from './endpoints.ts'

/** The keys are the names in use. */
export function deriveHostNames(
  graph: Graph,
  dataplanes: Collection<DataplaneFact>,
  zoneAddresses: Collection<ZoneAddress>,
): Collection<unknown> {
  const ofDataplanes = graph.group('hostNamesOfDataplanes', dataplanes, (dataplane) =>
    namesOf([...dataplane.inbounds, ...dataplane.zoneListeners].map((listener) => listener.address)),
  )
  const ofZones = graph.group('hostNamesOfZoneAddresses', zoneAddresses, (address) => namesOf([address.address]))
  return graph.union<unknown>('hostNames', [ofDataplanes, ofZones])
}

function namesOf(addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses.filter((address) => address !== '' && isIP(address) === 0))]
}
