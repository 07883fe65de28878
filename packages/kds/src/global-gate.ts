// The gate of one connection to a global: shut until it is known that at the other end is the global this zone belongs to. Behind it nothing is
// received and nothing of the zone is sent. A zone that belongs to no global yet has it open, and belongs to the first one that says which it is.
import type { Logger } from '@weft/foundation/log'
import { type Clock, timestamp } from '@weft/foundation/time'
import { type GlobalIdentity, type GlobalPin, judgeGlobal, type PinMemory } from './global-pin.ts'

/** What a gate needs. */
export interface GateOptions {
  readonly memory: PinMemory
  /** `host:port` that was dialled. */
  readonly address: string
  readonly clock: Clock
  readonly log: Logger
  /** Cluster id of a global that the configuration lets this zone adopt. */
  readonly adopts: string | undefined
  /** Another global was adopted: what is remembered of the former one is void. Told before the gate opens. */
  adopted(): void
  /** It is another global; the connection is to be given up. */
  refuse(found: GlobalIdentity): void
}

/** One connection's gate. */
export interface GlobalGate {
  readonly isOpen: boolean
  /** A global told which it is. True: the gate is open. False: it was refused. */
  heard(found: GlobalIdentity): boolean
  /** The global behind the open gate changed its id on the stream that was checked: it is still the same one. */
  renamed(found: GlobalIdentity): void
  /** `control-plane-id` of the global behind the gate. */
  process(instanceId: string): void
  /** The stream that was checked is over: the next one is checked again. */
  shut(): void
  /** Calls back now or when it opens, once. Returns what takes it back. */
  whenOpen(work: () => void): () => void
}

/** Shut when the zone belongs to a global. */
export function createGlobalGate({ memory, address, clock, log, adopts, adopted, refuse }: GateOptions): GlobalGate {
  const waiting = new Set<() => void>()
  let isChecked = false
  let isRefused = false
  let process = ''

  const isOpen = (): boolean => !isRefused && (isChecked || memory.pin === undefined)
  const pin = (found: GlobalIdentity, actor = 'generator:kds'): void => {
    const next: GlobalPin = { ...found, address, since: timestamp(clock.now()), process }
    void memory.set(next, actor)
  }
  const confirm = (known: GlobalPin, found: GlobalIdentity): void => {
    const next: GlobalPin = { ...known, peer: found.peer, address, lasting: known.lasting || found.lasting }
    const isNews = next.peer !== known.peer || next.address !== known.address || next.lasting !== known.lasting
    if (isNews) void memory.set(next, 'generator:kds')
  }
  /** Of a stock global: an id that two processes have outlives a restart. */
  const witness = (): void => {
    const known = memory.pin
    if (!isChecked || !known || known.peer !== 'stock' || process === '' || process === known.process) return
    void memory.set({ ...known, process, lasting: known.lasting || known.process !== '' }, 'generator:kds')
  }
  const open = (): void => {
    isChecked = true
    witness()
    const works = [...waiting]
    waiting.clear()
    for (const work of works) work()
  }
  const heard = (found: GlobalIdentity): boolean => {
    if (isRefused) return false
    const known = memory.pin
    switch (judgeGlobal(found, { pin: known, address })) {
      case 'first':
        log.info({ cluster: found.clusterId, peer: found.peer, address }, 'kds zone belongs to this global from now on')
        pin(found)
        break
      case 'same':
        if (known) confirm(known, found)
        break
      case 'restarted':
        log.warn(
          { cluster: found.clusterId, before: known?.clusterId, address },
          'kds global has another cluster id, as one has that keeps its state in memory; what it does not list is kept',
        )
        pin(found)
        break
      case 'other':
        if (found.clusterId !== adopts) {
          isRefused = true
          refuse(found)
          return false
        }
        log.warn({ cluster: found.clusterId, before: known?.clusterId, address }, 'kds zone adopts another global as configured')
        pin(found, 'config')
        adopted()
        break
    }
    open()
    return true
  }
  return {
    get isOpen() {
      return isOpen()
    },
    heard,
    renamed: (found) => {
      if (!isOpen() || memory.pin?.clusterId === found.clusterId) return
      if (memory.pin) pin(found)
      else heard(found)
    },
    process: (instanceId) => {
      process = instanceId
      witness()
    },
    shut: () => {
      isChecked = false
    },
    whenOpen: (work) => {
      if (isOpen()) work()
      else waiting.add(work)
      return () => void waiting.delete(work)
    },
  }
}
