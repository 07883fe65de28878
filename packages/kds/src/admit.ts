// The default door of a global: a zone without credentials is let in only from this host, unless authentication is switched off.
import { isIP } from 'node:net'
import type { AdmitZone } from './contract.ts'

/** Admits everyone (`none`), or only peers on the loopback interface (`loopback`). */
export function admitBy(rule: 'none' | 'loopback'): AdmitZone {
  return ({ peerAddress }) =>
    rule === 'none' || isLoopback(peerAddress)
      ? { admitted: true }
      : { admitted: false, reason: 'zones from other hosts need a zone token; present one or set multizone.global.kds.auth.type to none' }
}

/** Whether a transport address (`host:port`, IPv6 in brackets or not) is this very host. */
export function isLoopback(peerAddress: string): boolean {
  const host = hostOf(peerAddress)
  const plain = host.startsWith('::ffff:') ? host.slice(7) : host
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'))
}

function hostOf(address: string): string {
  const bracketed = /^\[(.*)\](?::\d+)?$/.exec(address)
  if (bracketed?.[1] !== undefined) return bracketed[1]
  if (isIP(address)) return address
  return address.slice(0, Math.max(0, address.lastIndexOf(':')))
}
