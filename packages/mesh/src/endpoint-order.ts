// The order of endpoints in a load assignment: equal sets of endpoints are equal lists.
import type { EndpointFact } from '@weft/facts'

/** In order of zone priority, address and port; of several with the same address and port the first. */
export function sortEndpoints(endpoints: readonly EndpointFact[]): readonly EndpointFact[] {
  const sorted = [...endpoints].sort((a, b) => a.priority - b.priority || compare(a.address, b.address) || a.port - b.port)
  return sorted.filter((endpoint, i) => {
    const previous = sorted[i - 1]
    return !previous || previous.address !== endpoint.address || previous.port !== endpoint.port || previous.priority !== endpoint.priority
  })
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
