// Structured logs by pino. Fields first, fixed event text second; secrets are redacted by path. Which lines are written is decided here and not
// by pino, so that a level can change for loggers that exist already.
import { type LogFn, type Logger as PinoLogger, pino } from 'pino'
import { createLevelTable, type LevelTable, levelWeights, type LogLevel, type LogLevels } from './levels.ts'

type WrittenLevel = Exclude<LogLevel, 'off'>

/** The part of a logger that code may use. `component` is a dot path such as `kds.server`. */
export type Logger = Pick<PinoLogger, WrittenLevel> & {
  child(fields: Readonly<Record<string, unknown>>): Logger
}

export interface LogOptions {
  readonly level: LogLevel
  /** Where lines go; standard error by default. */
  readonly destination?: NodeJS.WritableStream
}

const redacted = ['token', 'authorization', 'key', 'privateKey', 'password', 'secret', 'certificate', 'pem'].flatMap((name) => [
  name,
  `*.${name}`,
])

/** The root logger of a process. */
export function createLogger(options: LogOptions): Logger {
  return createLogging(options).log
}

/** The root logger of a process and the levels of its components, which may change at any time. */
export function createLogging(options: LogOptions): { readonly log: Logger; readonly levels: LogLevels } {
  const target = pino(
    {
      level: 'trace',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redacted, censor: '[redacted]' },
    },
    options.destination ?? pino.destination({ fd: 2, sync: true }),
  )
  const levels = createLevelTable(options.level)
  return { log: levelled(target, '', levels), levels }
}

/** A logger that asks the table before every line. */
function levelled(target: PinoLogger, component: string, levels: LevelTable): Logger {
  let version = -1
  let own = 0
  const threshold = (fields: unknown): number => {
    const named = componentIn(fields)
    if (named !== undefined && named !== component) return levels.thresholdOf(named)
    if (version !== levels.version) {
      own = levels.thresholdOf(component)
      version = levels.version
    }
    return own
  }
  const at = (level: WrittenLevel): LogFn => {
    const write = (...line: Parameters<LogFn>): void => {
      if (levelWeights[level] >= threshold(line[0])) target[level](...line)
    }
    // the overloads of LogFn are one function: arguments are passed on as they came
    return write as LogFn
  }
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => levelled(target.child({ ...fields }), componentIn(fields) ?? component, levels),
  }
}

function componentIn(fields: unknown): string | undefined {
  if (typeof fields !== 'object' || fields === null || !('component' in fields)) return undefined
  return typeof fields.component === 'string' ? fields.component : undefined
}

const ignore = (): void => {}
/** A logger that writes nothing. */
export const silentLogger: Logger = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silentLogger }
