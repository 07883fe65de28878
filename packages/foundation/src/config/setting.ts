// The vocabulary of configuration: one literal per key gives its type, default, environment names, checks and documentation.

interface About {
  /** Environment variables, the first that is set wins. */
  readonly env?: string | readonly string[]
  readonly description?: string
  /** Never shown: printed as `*****`. */
  readonly secret?: boolean
  /** Accepted for compatibility; nothing reads it. */
  readonly effect?: 'none'
}

export interface TextSetting extends About {
  readonly type: 'string'
  readonly enum?: readonly string[]
  readonly default?: string
}

export interface CountSetting extends About {
  readonly type: 'integer'
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: number
}

export interface FlagSetting extends About {
  readonly type: 'boolean'
  readonly default?: boolean
}

/** Text such as `1m30s` outside, milliseconds inside. */
export interface DurationSetting extends About {
  readonly type: 'duration'
  readonly default?: string
}

/** A list of texts; comma separated in the environment. */
export interface ListSetting extends About {
  readonly type: 'list'
  readonly default?: readonly string[]
}

/** A value kept as the file has it. */
export interface FreeSetting extends About {
  readonly type: 'any'
}

export type Setting = TextSetting | CountSetting | FlagSetting | DurationSetting | ListSetting | FreeSetting

export interface Section {
  readonly type: 'object'
  readonly properties: { readonly [name: string]: Setting | Section }
}

type ValueOf<S> = S extends { readonly type: 'string' }
  ? S extends { readonly enum: readonly (infer E)[] }
    ? E
    : string
  : S extends { readonly type: 'integer' | 'duration' }
    ? number
    : S extends { readonly type: 'boolean' }
      ? boolean
      : S extends { readonly type: 'list' }
        ? readonly string[]
        : unknown

/** The checked configuration of a section: every section is there, a setting without default may be undefined. */
export type ConfigOf<S> = Section extends S
  ? Readonly<Record<string, unknown>>
  : S extends { readonly type: 'object'; readonly properties: infer P }
    ? { readonly [K in keyof P]: ConfigOf<P[K]> }
    : S extends { readonly default: unknown }
      ? ValueOf<S>
      : ValueOf<S> | undefined

/** A setting with its place in the tree. */
export interface ConfigKey {
  /** Dotted path, as in the file. */
  readonly key: string
  readonly path: readonly string[]
  readonly env: readonly string[]
  readonly setting: Setting
}

/** Every setting of a section, in the order of the literal. */
export function configKeys(section: Section, at: readonly string[] = []): readonly ConfigKey[] {
  return Object.entries(section.properties).flatMap(([name, entry]): readonly ConfigKey[] => {
    const path = [...at, name]
    if (entry.type === 'object') return configKeys(entry, path)
    const env = entry.env === undefined ? [] : typeof entry.env === 'string' ? [entry.env] : entry.env
    return [{ key: path.join('.'), path, env, setting: entry }]
  })
}
