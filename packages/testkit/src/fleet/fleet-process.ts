// A fleet in a process of its own, so that its work is not counted as a control plane's and zones' fleets run side by side.
// Calls go over Node's channel between parent and child, one answer each. The child ends with its parent.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Expectation, FleetReport } from './fleet-report.ts'
import type { FleetOptions, FleetState } from './fleet.ts'

/** A fleet elsewhere. Every call rejects once its process is gone. */
export interface FleetProcess {
  readonly pid: number | undefined
  start(): Promise<void>
  mark(expected?: Expectation): Promise<void>
  report(): Promise<FleetReport>
  waitFor(state: FleetState, timeoutMs: number): Promise<boolean>
  quiet(quietMs: number, timeoutMs: number): Promise<boolean>
  addProbe(name: string): Promise<void>
  remove(name: string): Promise<boolean>
  /** Ends the process. */
  stop(): Promise<void>
}

export const fleetCalls = ['start', 'mark', 'report', 'waitFor', 'quiet', 'addProbe', 'remove'] as const
export type FleetCall = (typeof fleetCalls)[number]

/** From parent to child. The first message has the options, all others a call. */
export interface FleetRequest {
  readonly id: number
  readonly call: FleetCall
  readonly args: readonly unknown[]
}

/** From child to parent. */
export interface FleetAnswer {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

/** Starts the process of a fleet; its proxies start with `start`. */
export function spawnFleet(options: FleetOptions): FleetProcess {
  const child: ChildProcess = fork(fileURLToPath(new URL('./fleet-main.ts', import.meta.url)), [JSON.stringify(options)], {
    // its time is taken from those it measures, its memory is nobody's concern: most of what a proxy reads is garbage at once, which a large
    // young generation clears the cheapest, and nothing is gained by looking for the rest before there is much of it
    execArgv: ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=64', '--initial-heap-size=256', '--no-memory-reducer'],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const pending = new Map<number, { readonly done: (result: unknown) => void; readonly fail: (error: Error) => void }>()
  let next = 0
  let isGone = false
  const gone = new Promise<void>((done) => {
    const over = (): void => {
      isGone = true
      for (const { fail } of pending.values()) fail(new Error(`the fleet of ${options.zone} ended`))
      pending.clear()
      done()
    }
    child.once('exit', over)
    child.once('error', over)
  })
  // only the child's own main writes on this channel
  child.on('message', (message) => {
    const { id, result, error } = message as FleetAnswer
    const waiter = pending.get(id)
    pending.delete(id)
    if (error === undefined) waiter?.done(result)
    else waiter?.fail(new Error(error))
  })
  const call = (name: FleetCall, ...args: readonly unknown[]): Promise<unknown> =>
    new Promise((done, fail) => {
      if (isGone) return fail(new Error(`the fleet of ${options.zone} ended`))
      const id = next++
      pending.set(id, { done, fail })
      child.send({ id, call: name, args } satisfies FleetRequest)
    })
  return {
    pid: child.pid,
    start: async () => void (await call('start')),
    mark: async (expected = {}) => void (await call('mark', expected)),
    // the child answers each call with what the same method of its fleet returns
    report: async () => (await call('report')) as FleetReport,
    waitFor: async (state, timeoutMs) => (await call('waitFor', state, timeoutMs)) === true,
    quiet: async (quietMs, timeoutMs) => (await call('quiet', quietMs, timeoutMs)) === true,
    addProbe: async (name) => void (await call('addProbe', name)),
    remove: async (name) => (await call('remove', name)) === true,
    stop: () => {
      child.kill('SIGKILL')
      return gone
    },
  }
}
