// The parts of a process: started in order, stopped in reverse, ready together.
import type { Logger } from '../log/index.ts'
import { messageOf } from '../errors/index.ts'

export interface Component {
  readonly name: string
  /** Resolves once the component works. A rejection ends start-up. */
  start(): Promise<void>
  /** Resolves once everything the component opened is closed. Called once, also after a failed start of a later component. */
  stop(): Promise<void>
  /** False while the component cannot do its work; absent means ready once started. */
  ready?(): boolean
}

export interface Supervisor {
  start(): Promise<void>
  stop(): Promise<void>
  /** Names of components that are not ready. */
  unready(): readonly string[]
}

/** Runs components in the order given. A failed start stops what was started, in reverse, and rejects with the first error. */
export function createSupervisor(components: readonly Component[], log: Logger): Supervisor {
  const started: Component[] = []
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    for (const component of started.splice(0).reverse()) {
      try {
        await component.stop()
      } catch (error) {
        log.error({ component: component.name, err: messageOf(error) }, 'stop failed')
      }
    }
  }
  return {
    start: async () => {
      for (const component of components) {
        try {
          await component.start()
          started.push(component)
        } catch (error) {
          await stop()
          throw error
        }
      }
    },
    stop: () => {
      stopping ??= stop()
      return stopping
    },
    unready: () => components.filter((c) => !started.includes(c) || c.ready?.() === false).map((c) => c.name),
  }
}
