// Who trusts which root, between own peers: a zone tells global the roots that all its connected proxies have accepted, and global tells each
// zone which of its own roots every other live zone has told so (architecture.md section 7). Names are `<fingerprint>.<mesh>`. Stock zones
// and zones that are not connected take no part and are not waited for.
import { X509Certificate } from 'node:crypto'
import { labelKeys, type Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import type { ChangeFeed } from './change-feed.ts'
import { list, member, text } from './json.ts'
import { frameResource } from './wire.ts'

/** Type of the requests and responses that carry this. */
export const trustSpreadType = 'weft.io/TrustSpread'

/** A root as it is named on the wire; `fingerprint` is the hex SHA-256 of its certificate. */
export function trustedName(mesh: string, fingerprint: string): string {
  return `${fingerprint}.${mesh}`
}

/** A report as the resources of a subscribe: names without versions that mean anything. */
export function asReport(names: Iterable<string>): ReadonlyMap<string, string> {
  return new Map([...names].map((name) => [name, '']))
}

/** Names as resources of a response. */
export function asFrames(names: Iterable<string>): readonly Uint8Array[] {
  return [...names].map((name) => frameResource(name, '', new Uint8Array(0)))
}

/** A zone that takes part. */
export interface TrustMember {
  /** All roots that every connected proxy of the zone accepts. */
  reported(names: ReadonlySet<string>): void
  left(): void
}

/** What global knows of all zones that take part. */
export interface TrustBoard {
  /** `push` gets all roots of the zone that every other one trusts, at once and at every change. */
  joined(zone: string, push: (names: readonly string[]) => void): TrustMember
  close(): void
}

interface Seat {
  readonly zone: string
  readonly push: (names: readonly string[]) => void
  reported: ReadonlySet<string>
  pushed: string | undefined
}

/** What a board reads. */
export interface TrustBoardOptions {
  readonly store: Pick<Store, 'list'>
  readonly feed: ChangeFeed
  /** Whether the other zones get the roots of a MeshTrust that a zone sent: only then can they come to trust them. */
  isShared(trust: Resource): boolean
}

/** What decides whether a trust is shared, with Config for what operators approved. */
const deciding = ['MeshTrust', 'Mesh', 'MeshIdentity', 'Zone', 'Config']

/** An empty board that follows the MeshTrusts of the store and what decides whether they are shared. */
export function createTrustBoard({ store, feed, isShared }: TrustBoardOptions): TrustBoard {
  const seats = new Set<Seat>()
  let isScheduled = false

  const isTrusted = (seat: Seat, name: string): boolean => {
    for (const other of seats) if (other.zone !== seat.zone && !other.reported.has(name)) return false
    return true
  }
  const tell = (): void => {
    isScheduled = false
    if (seats.size === 0) return
    const trusts = store.list('MeshTrust')
    for (const seat of seats) {
      const names = rootsOf(trusts, seat.zone)
        .filter(({ name, trust }) => isTrusted(seat, name) || !isShared(trust))
        .map(({ name }) => name)
        .sort()
      const text = names.join()
      if (text === seat.pushed) continue
      seat.pushed = text
      seat.push(names)
    }
  }
  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    queueMicrotask(tell)
  }
  const stops = deciding.map((type) => feed.on(type, schedule))
  return {
    joined: (zone, push) => {
      const seat: Seat = { zone, push, reported: new Set(), pushed: undefined }
      // a zone has one seat: that of its newest stream
      for (const other of seats) if (other.zone === zone) seats.delete(other)
      seats.add(seat)
      schedule()
      return {
        reported: (names) => {
          seat.reported = names
          schedule()
        },
        left: () => {
          if (seats.delete(seat)) schedule()
        },
      }
    },
    close: () => {
      for (const stop of stops) stop()
      seats.clear()
    },
  }
}

/** The roots in the MeshTrusts that a zone sent. */
function rootsOf(trusts: readonly Resource[], zone: string): readonly { readonly name: string; readonly trust: Resource }[] {
  return trusts
    .filter(({ labels }) => labels[labelKeys.zone] === zone && labels[labelKeys.origin] === 'zone')
    .flatMap((trust) => fingerprintsOf(trust).map((fingerprint) => ({ name: trustedName(trust.mesh, fingerprint), trust })))
}

const known = new WeakMap<Resource, readonly string[]>()
const certificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** Reading certificates takes a while, and stored values never change. */
function fingerprintsOf(trust: Resource): readonly string[] {
  let found = known.get(trust)
  if (!found) {
    found = list(trust.spec, 'caBundles')
      .flatMap((bundle) => text(member(bundle, 'pem'), 'value').match(certificate) ?? [])
      .flatMap(fingerprintOf)
    known.set(trust, found)
  }
  return found
}

function fingerprintOf(pem: string): readonly string[] {
  try {
    return [new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()]
  } catch {
    return []
  }
}
