// Who is there by a table that all replicas share: each keeps its row alive with every beat and reads the others' in the same question. A row
// that is over is a confirmed death. Who holds which stream is not in it.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { Member, Presence } from './contract.ts'
import { createRoster } from './roster.ts'

/** Rows of instances, by the clock of the store. */
export interface InstanceTable {
  /** Keeps the row of this instance for `ttlMs` from now on. Resolves with all rows that are not over. */
  beat(self: Member, ttlMs: number): Promise<readonly Member[]>
  /** Removes a row. */
  leave(instanceId: string): Promise<void>
}

export interface TablePresenceOptions {
  readonly table: InstanceTable
  readonly self: Member
  readonly clock: Clock
  readonly log: Logger
  /** Between two beats, ms; a row lasts for three of them. */
  readonly beatMs: number
}

export interface TablePresence extends Presence {
  /** Resolves after the first beat, whatever came of it. */
  start(): Promise<void>
  /** Whether an instance has a row, this one too, as of the last beat. */
  isLiving(instanceId: string): boolean
  /** Gives the row back, so that the others see at once that this one ended. */
  stop(): Promise<void>
}

/** Beats that a row lasts for. */
const beatsPerRow = 3

/** Knows nobody before `start`. */
export function createTablePresence({ table, self, clock, log, beatMs }: TablePresenceOptions): TablePresence {
  const roster = createRoster(log)
  roster.onJoined(({ instanceId, address }) => log.info({ replica: instanceId, address }, 'replica is here'))
  roster.onMissing(({ instanceId }) => log.warn({ replica: instanceId }, 'replica is gone'))
  const ttlMs = beatsPerRow * beatMs
  let isUp = false
  /** Until then a row that is not there tells nothing: nobody could renew it. */
  let silentUntil = Number.NEGATIVE_INFINITY
  let timer: Timer | undefined
  let isStopped = false

  const take = (rows: readonly Member[]): void =>
    roster.heard(
      rows.filter(({ instanceId }) => instanceId !== self.instanceId),
      { isSilenceCounted: clock.monotonic() >= silentUntil },
    )
  const beat = async (): Promise<void> => {
    try {
      const rows = await table.beat(self, ttlMs)
      if (isStopped) return
      if (!isUp) silentUntil = clock.monotonic() + ttlMs
      isUp = true
      take(rows)
    } catch (error) {
      if (isUp) log.warn({ err: messageOf(error) }, 'the table of replicas cannot be reached')
      isUp = false
    }
  }
  const again = (): void => {
    if (isStopped) return
    timer = clock.after(beatMs, () => void beat().then(again))
  }

  return {
    get isUp() {
      return isUp
    },
    members: roster.members,
    onMissing: roster.onMissing,
    onJoined: roster.onJoined,
    hold: () => () => {},
    holder: async () => undefined,
    isLiving: (instanceId) => instanceId === self.instanceId || roster.has(instanceId),
    start: async () => {
      await beat()
      again()
    },
    stop: async () => {
      isStopped = true
      timer?.cancel()
      await table
        .leave(self.instanceId)
        .catch((error: unknown) => log.debug({ err: messageOf(error) }, 'the row of this replica stays until it is over'))
    },
  }
}
