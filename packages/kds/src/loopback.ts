// Whether something stays on this host: only there may secrets travel in clear.
import { isIP } from 'node:net'

/** Whether an IP address, mapped or not, is one of this very host. */
export function isLoopback(address: string): boolean {
  const plain = plainAddress(address)
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}

/** Whether the host of a `host:port` to dial is this very host, by address or as `localhost`. */
export function isLoopbackTarget(target: string): boolean {
  const host = target.slice(0, target.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
  return host === 'localhost' || isLoopback(host)
}

/** An IPv4 address that came over an IPv6 socket as itself. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
