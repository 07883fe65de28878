// Connections that have not shown yet whose they are: so many for so long. Of too many, the oldest of the address that has most goes, so that
// one address cannot keep the others out.
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../time/index.ts'

export interface Strangers {
  /** A connection was taken. */
  arrived(socket: Socket): void
  /** The peer (`address:port`) of a connection is known: it may stay. */
  known(peer: string): void
  /** Connections that nobody is known for. */
  readonly count: number
}

export interface StrangersOptions {
  readonly clock: Clock
  /** At most so many at once. */
  readonly limit: number
  /** So long each, ms. */
  readonly patienceMs: number
}

interface Stranger {
  readonly socket: Socket
  readonly address: string
  readonly timer: Timer
}

/** `address:port` of the other end, as gRPC names it. */
export function peerOf(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`
}

export function createStrangers({ clock, limit, patienceMs }: StrangersOptions): Strangers {
  const all = new Map<string, Stranger>()
  /** Peers by address, oldest first. */
  const byAddress = new Map<string, Set<string>>()

  const forget = (peer: string): Stranger | undefined => {
    const stranger = all.get(peer)
    if (!stranger) return undefined
    stranger.timer.cancel()
    all.delete(peer)
    const peers = byAddress.get(stranger.address)
    peers?.delete(peer)
    if (peers?.size === 0) byAddress.delete(stranger.address)
    return stranger
  }
  const turnAway = (peer: string): void => void forget(peer)?.socket.destroy()
  const most = (): string | undefined => {
    let found: ReadonlySet<string> = new Set()
    for (const peers of byAddress.values()) if (peers.size > found.size) found = peers
    return found.values().next().value
  }
  return {
    get count() {
      return all.size
    },
    arrived: (socket) => {
      const peer = peerOf(socket)
      const address = socket.remoteAddress ?? ''
      forget(peer)
      all.set(peer, { socket, address, timer: clock.after(patienceMs, () => turnAway(peer)) })
      const peers = byAddress.get(address) ?? new Set()
      byAddress.set(address, peers.add(peer))
      socket.once('close', () => {
        if (all.get(peer)?.socket === socket) forget(peer)
      })
      const victim = all.size > limit ? most() : undefined
      if (victim !== undefined) turnAway(victim)
    },
    known: (peer) => void forget(peer),
  }
}
