// What all steps of one run share: options, processes, where figures and progress go.
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../packages/foundation/src/errors/index.ts'
import type { Processes } from '../../apps/demo/src/processes.ts'
import { createFederation, type Federation } from './federation.ts'
import type { FigureId, Measured } from './figures.ts'
import type { ControlPlane, Options } from './options.ts'

/** What a benchmark as a whole owns. */
export interface Session {
  readonly options: Options
  readonly processes: Processes
  readonly ended: ReadonlySet<string>
  /** Aborted when the benchmark is interrupted; every wait ends then. */
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
  /** What whoever reads the figures has to know. */
  readonly notes: Set<string>
  /** CPU seconds of processes that are gone. */
  spentCpuSeconds: number
  /** Number of federations started so far. */
  federations: number
}

export interface RunContext {
  readonly session: Session
  readonly options: Options
  readonly controlPlane: ControlPlane
  readonly progress: (text: string) => void
  put(id: FigureId, value: number | undefined): void
  /** As `put`, unless there is a value. */
  putFirst(id: FigureId, value: number): void
  /** Counts the proxies' refusals and whether a round was complete. */
  count(outcome: { readonly nacks: number; readonly isComplete?: boolean }): void
  readonly sleep: (ms: number) => Promise<void>
  /** Runs one step; a failure is reported and kept, and answered with false. */
  attempt(name: string, step: () => Promise<void>): Promise<boolean>
  federation(zones: readonly string[], store: 'memory' | 'default'): Promise<Federation>
}

/** A context, and what it has collected when asked. */
export function createRunContext(
  session: Session,
  controlPlane: ControlPlane,
): { readonly context: RunContext; readonly collected: () => Measured } {
  const { options, signal } = session
  const values = new Map<FigureId, number>()
  const failures: string[] = []
  let nacks = 0
  let rounds = 0
  let incompleteRounds = 0
  const progress = (text: string): void => session.progress(`${controlPlane.label}: ${text}`)
  const context: RunContext = {
    session,
    options,
    controlPlane,
    progress,
    put: (id, value) => {
      if (value !== undefined) values.set(id, value)
    },
    putFirst: (id, value) => {
      if (!values.has(id)) values.set(id, value)
    },
    count: (outcome) => {
      nacks += outcome.nacks
      if (outcome.isComplete === undefined) return
      rounds++
      if (!outcome.isComplete) incompleteRounds++
    },
    sleep: (ms) => delay(ms, undefined, { signal }),
    attempt: async (name, step) => {
      try {
        signal.throwIfAborted()
        await step()
        return true
      } catch (error) {
        signal.throwIfAborted()
        failures.push(`${name}: ${messageOf(error)}`)
        progress(`FAILED ${name}: ${messageOf(error)}`)
        return false
      }
    },
    federation: (zones, store) => {
      signal.throwIfAborted()
      const { processes, ended } = session
      const number = session.federations++
      const base = options.base === undefined ? undefined : options.base + 100 * number
      return createFederation({ name: `f${number}`, controlPlane, zones, store, env: options.env, base, processes, ended })
    },
  }
  return { context, collected: () => ({ values, incompleteRounds, rounds, nacks, failures }) }
}
