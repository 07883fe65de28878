// Structured logs whose levels can be changed while running.
export { isLogLevel, logLevels } from './levels.ts'
export type { LogLevel, LogLevels } from './levels.ts'
export { createLogger, createLogging, silentLogger } from './logger.ts'
export type { Logger, LogOptions } from './logger.ts'
