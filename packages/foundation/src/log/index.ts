// Structured logs by pino. Fields first, fixed event text second; secrets are redacted by path.
import { type Logger as PinoLogger, pino } from 'pino'

/** The part of a logger that code may use. `component` is a dot path such as `kds.server`. */
export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error'> & {
  child(fields: Readonly<Record<string, unknown>>): Logger
}

export interface LogOptions {
  /** `off` silences everything. */
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'off'
  /** Where lines go; standard error by default. */
  readonly destination?: NodeJS.WritableStream
}

const redacted = ['token', 'authorization', 'key', 'privateKey', 'password', 'secret', 'certificate', 'pem'].flatMap((name) => [
  name,
  `*.${name}`,
])

/** The root logger of a process. */
export function createLogger(options: LogOptions): Logger {
  return pino(
    {
      level: options.level === 'off' ? 'silent' : options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redacted, censor: '[redacted]' },
    },
    options.destination ?? pino.destination({ fd: 2, sync: true }),
  )
}

const ignore = (): void => {}
/** A logger that writes nothing. */
export const silentLogger: Logger = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silentLogger }
