// A log that a test can read.
import { type Logger, silentLogger } from '@weft/foundation/log'

export interface RecordedLog {
  readonly log: Logger
  /** Every line as JSON: level, fields and text. */
  readonly lines: string[]
}

export function recordedLog(): RecordedLog {
  const lines: string[] = []
  const at = (level: string) => (fields: object, text?: string) => void lines.push(JSON.stringify({ level, ...fields, text }))
  const log: Logger = {
    ...silentLogger,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  } as Logger // the methods that tests need, over one that has all
  return { log, lines }
}
