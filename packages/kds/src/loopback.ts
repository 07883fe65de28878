// Whether something stays on this host: only there may secrets travel in clear.
import { isLoopback } from '@weft/foundation/net'

/** Whether the host of a `host:port` to dial is this very host, by address or as `localhost`. */
export function isLoopbackTarget(target: string): boolean {
  const host = target.slice(0, target.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
  return host === 'localhost' || isLoopback(host)
}
