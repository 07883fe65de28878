// Loads a configuration: defaults, then the YAML file, then the environment, then flags. Unknown keys are warnings, wrong values errors.
import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { AppError, messageOf } from '../errors/index.ts'
import { nearest } from './nearest.ts'
import { readSetting } from './read-setting.ts'
import { type ConfigKey, configKeys, type ConfigOf, type Section } from './setting.ts'

export interface ConfigSources {
  /** Path of a YAML file. */
  readonly file?: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Values by dotted key. */
  readonly flags?: Readonly<Record<string, string | boolean | undefined>>
}

export interface LoadedConfig<S> {
  readonly config: ConfigOf<S>
  /** One sentence for each key that was not understood. */
  readonly warnings: readonly string[]
  /** Dotted keys that were set but have no effect here, sorted. */
  readonly withoutEffect: readonly string[]
  /** Dotted keys that the file, the environment or a flag set. */
  readonly given: ReadonlySet<string>
}

/** Our own environment variables start with this; unknown ones are warned of. Those of others are theirs. */
const ownPrefix = 'WEFT_'

/**
 * The configuration of a binary. Throws `config/invalid` naming the key and the place of a wrong value, `config/unreadable` when the file
 * cannot be read. An empty environment variable counts as unset.
 */
export function loadConfig<const S extends Section>(section: S, sources: ConfigSources): LoadedConfig<S>
export function loadConfig(section: Section, sources: ConfigSources): LoadedConfig<Section> {
  const keys = configKeys(section)
  const warnings: string[] = []
  const values = new Map<string, unknown>()
  for (const { key, setting } of keys) {
    if ('default' in setting && setting.default !== undefined)
      values.set(key, readSetting(setting, setting.default, `the default of ${key}`))
  }
  const given = new Set<string>()
  const give = (key: ConfigKey, value: unknown, from: string): void => {
    values.set(key.key, readSetting(key.setting, value, from))
    given.add(key.key)
  }
  if (sources.file !== undefined) readFile(sources.file, section, { give, warn: (text) => warnings.push(text) })
  for (const key of keys) {
    const name = key.env.find((candidate) => (sources.env[candidate] ?? '') !== '')
    if (name !== undefined) give(key, sources.env[name], name)
  }
  warnings.push(...unknownVariables(keys, sources.env))
  const byKey = new Map(keys.map((key) => [key.key, key]))
  for (const [flag, value] of Object.entries(sources.flags ?? {})) {
    if (value === undefined) continue
    const key = byKey.get(flag)
    if (key === undefined) throw new AppError('config/invalid', `unknown setting ${flag}${hint(flag, [...byKey.keys()])}`)
    give(key, value, `flag ${flag}`)
  }
  const withoutEffect = keys.filter(({ key, setting }) => setting.effect === 'none' && given.has(key)).map(({ key }) => key)
  return { config: build(section, [], values), warnings, withoutEffect: withoutEffect.sort(), given }
}

function build(section: Section, at: readonly string[], values: ReadonlyMap<string, unknown>): Readonly<Record<string, unknown>> {
  const entries = Object.entries(section.properties).map(([name, entry]): [string, unknown] => {
    const path = [...at, name]
    return [name, entry.type === 'object' ? build(entry, path, values) : values.get(path.join('.'))]
  })
  return Object.freeze(Object.fromEntries(entries))
}

function hint(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? '' : `; did you mean ${near}?`
}

function unknownVariables(keys: readonly ConfigKey[], env: ConfigSources['env']): readonly string[] {
  const known = new Set(keys.flatMap((key) => key.env))
  return Object.keys(env)
    .filter((name) => name.startsWith(ownPrefix) && !known.has(name) && env[name] !== undefined)
    .sort()
    .map((name) => `unknown environment variable ${name}${hint(name, [...known])}`)
}

interface Reader {
  give(key: ConfigKey, value: unknown, from: string): void
  warn(text: string): void
}

function readFile(file: string, section: Section, reader: Reader): void {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new AppError('config/unreadable', `the configuration file ${file} cannot be read: ${messageOf(error)}`, { cause: error })
  }
  readYaml(parseYaml(text, file), section, { at: [], file, reader })
}

function parseYaml(text: string, file: string): unknown {
  const document = parseDocument(text, { prettyErrors: true })
  const first = document.errors[0]
  if (first !== undefined) throw new AppError('config/invalid', `${file}: ${first.message.split('\n')[0] ?? 'is not YAML'}`)
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new AppError('config/invalid', `${file}: ${messageOf(error)}`, { cause: error })
  }
}

interface YamlPlace {
  readonly at: readonly string[]
  readonly file: string
  readonly reader: Reader
}

function readYaml(value: unknown, section: Section, place: YamlPlace): void {
  const { at, file, reader } = place
  if (value === null || value === undefined) return
  const where = at.length === 0 ? file : `${at.join('.')} in ${file}`
  if (typeof value !== 'object' || Array.isArray(value)) throw new AppError('config/invalid', `${where} must be a map of settings`)
  for (const [name, member] of Object.entries(value)) {
    const path = [...at, name]
    const entry = Object.hasOwn(section.properties, name) ? section.properties[name] : undefined
    if (entry === undefined) {
      const known = Object.keys(section.properties).map((other) => [...at, other].join('.'))
      reader.warn(`unknown setting ${path.join('.')} in ${file}${hint(path.join('.'), known)}`)
    } else if (entry.type === 'object') {
      readYaml(member, entry, { ...place, at: path })
    } else if (member !== null) {
      reader.give({ key: path.join('.'), path, env: [], setting: entry }, member, `${path.join('.')} in ${file}`)
    }
  }
}
