// Addresses as users write them: an IP or a DNS name, never the unspecified address.
import type { Violation } from '@weft/foundation/errors'
import { isIP } from 'node:net'

const dnsName = /^([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?\.)*[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?\.?$/

/** True for an IPv4 or IPv6 address or a DNS name of at most 255 characters. */
export function isIpOrDnsName(text: string): boolean {
  return isIP(text) !== 0 || (text.length <= 255 && dnsName.test(text) && !/^[\d.]+$/.test(text))
}

/** Checks an address that others connect to. */
export function addressViolations(
  address: string,
  field: string,
  malformed = 'address has to be valid IP address or domain name',
): readonly Violation[] {
  if (address === '') return [{ field, message: "address can't be empty" }]
  if (address === '0.0.0.0' || address === '::') return [{ field, message: 'must not be 0.0.0.0 or ::' }]
  return isIpOrDnsName(address) ? [] : [{ field, message: malformed }]
}
