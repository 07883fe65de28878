// Typed configuration: literals in, a frozen checked tree out.
export { configJsonSchema, documentConfig } from './document-config.ts'
export type { DocumentedKey } from './document-config.ts'
export { loadConfig } from './load-config.ts'
export type { ConfigSources, LoadedConfig } from './load-config.ts'
export { nearest } from './nearest.ts'
export { masked, toPublicJson } from './public-json.ts'
export { configKeys } from './setting.ts'
export type { ConfigKey, ConfigOf, Section, Setting } from './setting.ts'
