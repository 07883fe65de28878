// Modifications of a merged conf, read and made ready to apply.
import { messageOf } from '@weft/foundation/errors'
import { field, isObject, listField, objectField, textField } from '@weft/foundation/json'
import type { Labels } from '@weft/resources'
import type { JsonPatch } from './json-patch.ts'
import { type NativePart, nativeTypes, readNative } from './native.ts'

/** Where a modification acts. An absent member holds everywhere. */
export interface ModificationMatch {
  readonly origin?: string
  readonly name?: string
  readonly listenerName?: string
  readonly routeConfigurationName?: string
  readonly tags: Labels
}

export type Operation = 'Add' | 'Remove' | 'Patch' | 'AddFirst' | 'AddBefore' | 'AddAfter' | 'AddLast'

/** One modification. */
export interface Modification {
  readonly part: NativePart
  readonly operation: Operation
  readonly match: ModificationMatch
  /** The message to add or to merge; undefined where the operation needs none. */
  readonly value: object | undefined
  readonly jsonPatches: readonly JsonPatch[]
}

const operations: readonly Operation[] = ['Add', 'Remove', 'Patch', 'AddFirst', 'AddBefore', 'AddAfter', 'AddLast']
const steps = ['add', 'remove', 'replace', 'move', 'copy'] as const
const parts = Object.keys(nativeTypes).filter((name): name is NativePart => Object.hasOwn(nativeTypes, name))

/** The modifications of a conf, in their order, and what is wrong with those that cannot be read and are left out. */
export function readModifications(conf: unknown): { readonly list: readonly Modification[]; readonly problems: readonly string[] } {
  const problems: string[] = []
  const list = listField(conf, 'appendModifications').flatMap((item, index) => {
    const part = parts.find((name) => isObject(field(item, name)))
    try {
      if (part === undefined) throw new Error('no modification')
      return modification(part, field(item, part))
    } catch (error) {
      problems.push(`appendModifications[${index}]: ${messageOf(error)}`)
      return []
    }
  })
  return { list, problems }
}

function modification(part: NativePart, spec: unknown): Modification {
  const operation = operations.find((name) => name === field(spec, 'operation'))
  if (operation === undefined) throw new Error('unknown operation')
  const text = textField(spec, 'value')
  const match = field(spec, 'match')
  return {
    part,
    operation,
    match: {
      ...named(match, 'origin'),
      ...named(match, 'name'),
      ...named(match, 'listenerName'),
      ...named(match, 'routeConfigurationName'),
      tags: tagsOf(objectField(match, 'tags') ?? objectField(match, 'listenerTags')),
    },
    value: text === '' || operation === 'Remove' ? undefined : readNative(part, text),
    jsonPatches: listField(spec, 'jsonPatches').map(jsonPatch),
  }
}

function named(match: unknown, name: string): Readonly<Record<string, string>> {
  const value = field(match, name)
  return typeof value === 'string' ? { [name]: value } : {}
}

function tagsOf(tags: Readonly<Record<string, unknown>> | undefined): Labels {
  return Object.fromEntries(Object.entries(tags ?? {}).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])))
}

function jsonPatch(item: unknown): JsonPatch {
  const op = steps.find((name) => name === field(item, 'op'))
  if (op === undefined) throw new Error('unknown step of a JSON patch')
  return { op, path: textField(item, 'path'), from: textField(item, 'from'), value: field(item, 'value') }
}
