// Documentation of a configuration, made from its literals.
import type { Json } from '../schema/index.ts'
import { configKeys, type Section, type Setting } from './setting.ts'

export interface DocumentedKey {
  readonly key: string
  readonly env: readonly string[]
  readonly type: string
  /** As the file would say it; undefined when there is none. */
  readonly default: Json | undefined
  readonly description: string
  readonly hasEffect: boolean
}

/** One entry for each key, in the order of the literal. */
export function documentConfig(section: Section): readonly DocumentedKey[] {
  return configKeys(section).map(({ key, env, setting }) => ({
    key,
    env,
    type: setting.type === 'string' && setting.enum !== undefined ? setting.enum.join(' | ') : setting.type,
    default: defaultOf(setting),
    description: setting.description ?? '',
    hasEffect: setting.effect !== 'none',
  }))
}

function defaultOf(setting: Setting): Json | undefined {
  if (setting.type === 'any') return undefined
  return setting.default
}

/** JSON schema of the configuration file. */
export function configJsonSchema(section: Section): { readonly [key: string]: Json } {
  const properties = Object.entries(section.properties).map(([name, entry]): [string, Json] => [
    name,
    entry.type === 'object' ? configJsonSchema(entry) : settingSchema(entry),
  ])
  return { type: 'object', properties: Object.fromEntries(properties) }
}

function settingSchema(setting: Setting): Json {
  const about = setting.description === undefined ? {} : { description: setting.description }
  const value = defaultOf(setting)
  const base = { ...about, ...(value === undefined ? {} : { default: value }) }
  switch (setting.type) {
    case 'string':
      return { ...base, type: 'string', ...(setting.enum === undefined ? {} : { enum: setting.enum }) }
    case 'integer':
      return {
        ...base,
        type: 'integer',
        ...(setting.minimum === undefined ? {} : { minimum: setting.minimum }),
        ...(setting.maximum === undefined ? {} : { maximum: setting.maximum }),
      }
    case 'boolean':
      return { ...base, type: 'boolean' }
    case 'duration':
      return { ...base, type: 'string', format: 'duration' }
    case 'list':
      return { ...base, type: 'array', items: { type: 'string' } }
    case 'any':
      return base
  }
}
