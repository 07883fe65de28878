// A configuration as people and peers may see it: the tree of the file, durations as text, secrets masked.
import type { Json } from '../schema/index.ts'
import { formatDuration } from '../time/index.ts'
import type { ConfigOf, Section, Setting } from './setting.ts'

/** What stands for a secret that is set. */
export const masked = '*****'

type Tree = { readonly [key: string]: Json }

/** The configuration as JSON. Settings that are not set are left out. */
export function toPublicJson<const S extends Section>(section: S, config: ConfigOf<S>): Tree
export function toPublicJson(section: Section, config: Readonly<Record<string, unknown>>): Tree {
  const shown: Record<string, Json> = {}
  for (const [name, entry] of Object.entries(section.properties)) {
    const value = config[name]
    if (entry.type === 'object') {
      // the value of a section is a section, by construction of the loader
      shown[name] = toPublicJson(entry, (value ?? {}) as Readonly<Record<string, unknown>>)
    } else if (value !== undefined) shown[name] = shownValue(entry, value)
  }
  return shown
}

function shownValue(setting: Setting, value: unknown): Json {
  if (setting.secret === true) return value === '' ? '' : masked
  if (setting.type === 'duration' && typeof value === 'number') return formatDuration(value)
  // settings hold texts, numbers, booleans, lists of texts, or JSON from the file
  return value as Json
}
