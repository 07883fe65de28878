// A component that runs only while this process has a lease: made anew for every term, started and stopped one after the other.
import { messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Lease } from './contract.ts'

export interface WhileLeadingOptions {
  readonly name: string
  readonly lease: Lease
  readonly log: Logger
  /** What runs. Its stop may come while it is starting. */
  readonly make: () => Component
  /**
   * It goes on without a term as long as nobody else can have one, because the store is away, and with the next one if that is ours again. For
   * what has more to lose than its right to write. False by default.
   */
  readonly outlivesTerm?: boolean
}

/** Ready while it does not run: another process does the work. Its start resolves with that of what runs, where the lease is ours by then. */
export function whileLeading(options: WhileLeadingOptions): Component {
  const { name, lease, log, make } = options
  let running: Component | undefined
  let epoch: number | undefined
  let turn: Promise<void> = Promise.resolve()
  let unfollow = (): void => {}

  const attempt = async (what: string, run: () => Promise<void>): Promise<void> => {
    try {
      await run()
    } catch (error) {
      log.error({ component: name, err: messageOf(error) }, `leader-only work could not be ${what}`)
    }
  }
  const end = async (): Promise<void> => {
    const ended = running
    running = undefined
    epoch = undefined
    if (ended) await attempt('stopped', () => ended.stop())
  }
  const begin = async (): Promise<void> => {
    const begun = make()
    running = begun
    epoch = lease.term?.epoch
    await attempt('started', () => begun.start())
  }
  const mayGoOn = (): boolean => {
    if (lease.state === 'ours') return options.outlivesTerm === true || lease.term?.epoch === epoch
    return options.outlivesTerm === true && lease.state === 'unknown'
  }
  const settle = async (): Promise<void> => {
    if (running && !mayGoOn()) await end()
    if (!running && lease.state === 'ours') await begin()
  }
  const follow = (): void => {
    turn = turn.then(settle)
  }
  return {
    name,
    ready: () => running?.ready?.() ?? true,
    start: async () => {
      unfollow = lease.onChange(follow)
      follow()
      await turn
    },
    stop: async () => {
      unfollow()
      turn = turn.then(end)
      await turn
    },
  }
}
