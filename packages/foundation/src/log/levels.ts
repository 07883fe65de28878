// Log levels by component: a level counts for a component and everything below it on the dot path, unless something nearer says otherwise.

/** How much is written; `off` silences everything. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'off'

/** Log levels that can be changed while running. `component` '' is the whole process. */
export interface LogLevels {
  /** The level of the process and of each component that has its own. */
  list(): { readonly level: LogLevel; readonly components: Readonly<Record<string, LogLevel>> }
  set(component: string, level: LogLevel): void
  /** Back to what the component would have by itself; without one, everything back to the configured level. */
  reset(component?: string): void
}

/** What loggers ask. */
export interface LevelTable extends LogLevels {
  /** Changes with every change of a level. */
  readonly version: number
  /** Lines of this weight and above are written. */
  thresholdOf(component: string): number
}

/** What a level weighs; a line is written when it weighs at least as much as the level of its component. */
export const levelWeights: Readonly<Record<LogLevel, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, off: Infinity }

/** Every level, from most to least. */
export const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'off']

export function isLogLevel(text: unknown): text is LogLevel {
  return typeof text === 'string' && Object.hasOwn(levelWeights, text)
}

/** A table in which everything has the configured level. */
export function createLevelTable(configured: LogLevel): LevelTable {
  const own = new Map<string, LogLevel>()
  let version = 0
  return {
    get version() {
      return version
    },
    thresholdOf: (component) => {
      for (let path = component; path !== '' && own.size > 0; path = path.slice(0, Math.max(0, path.lastIndexOf('.')))) {
        const level = own.get(path)
        if (level !== undefined) return levelWeights[level]
      }
      return levelWeights[own.get('') ?? configured]
    },
    list: () => ({
      level: own.get('') ?? configured,
      components: Object.fromEntries([...own].filter(([component]) => component !== '').sort(([a], [b]) => (a < b ? -1 : 1))),
    }),
    set: (component, level) => {
      own.set(component, level)
      version += 1
    },
    reset: (component) => {
      if (component === undefined) own.clear()
      else own.delete(component)
      version += 1
    },
  }
}
