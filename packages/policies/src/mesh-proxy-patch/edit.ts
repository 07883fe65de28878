// Operations that all parts share: merging and patching of messages, and the places in a list of filters.
import { anyName, codec, mergeMessages, namedCodec, type Messages } from '@weft/proto'
import { applyJsonPatches } from './json-patch.ts'
import type { Modification } from './modifications.ts'
import { nativeTypes } from './native.ts'

type Any = Messages['google.protobuf.Any']

/** A cluster, listener or virtual host with a `Patch` applied. */
export function patchMessage<M extends object>({ part, value, jsonPatches }: Modification, message: M): M {
  const name = nativeTypes[part]
  const patched =
    jsonPatches.length > 0
      ? codec(name).fromJson(applyJsonPatches(codec(name).toJson(message), jsonPatches))
      : value === undefined
        ? message
        : mergeMessages(name, message, value)
  // both ways give a message of the type they were given
  return patched as M
}

/** A filter, of either kind, as the two messages have it. */
export interface FilterLike {
  readonly name?: string | undefined
  readonly typedConfig?: Any | undefined
}

/** Filters with an operation applied. Filters of equal name are all removed and patched; others are placed at the first. */
export function editFilters<F extends FilterLike>(modification: Modification, filters: readonly F[]): readonly F[] {
  const { operation, match } = modification
  // the value was read as a filter of this kind
  const value = modification.value as F | undefined
  const matches = (filter: F): boolean => match.name === undefined || match.name === filter.name
  if (operation === 'Remove') return filters.some(matches) ? filters.filter((filter) => !matches(filter)) : filters
  if (operation === 'Patch')
    return filters.some(matches) ? filters.map((filter) => (matches(filter) ? patchFilter(modification, filter) : filter)) : filters
  if (value === undefined) return filters
  if (operation === 'AddFirst') return [value, ...filters]
  if (operation === 'AddLast' || operation === 'Add') return [...filters, value]
  const index = filters.findIndex((filter) => match.name !== undefined && match.name === filter.name)
  return index < 0 ? filters : filters.toSpliced(operation === 'AddBefore' ? index : index + 1, 0, value)
}

/** Only the configuration of a filter is patched; its name stays. */
function patchFilter<F extends FilterLike>({ value, jsonPatches }: Modification, filter: F): F {
  const patch = (value as FilterLike | undefined)?.typedConfig
  if (!filter.typedConfig) return jsonPatches.length === 0 && patch ? { ...filter, typedConfig: patch } : filter
  const name = anyName(filter.typedConfig)
  const config = namedCodec(name)
  const before = config.decode(filter.typedConfig.value ?? new Uint8Array(0))
  if (jsonPatches.length > 0) {
    return {
      ...filter,
      typedConfig: { ...filter.typedConfig, value: config.encode(config.fromJson(applyJsonPatches(config.toJson(before), jsonPatches))) },
    }
  }
  if (!patch) return filter
  if (anyName(patch) !== name) throw new Error(`the patch is of type ${anyName(patch)}, the filter of type ${name}`)
  // codecs of messages decode to objects
  const after = mergeMessages(name, before as object, config.decode(patch.value ?? new Uint8Array(0)) as object)
  return { ...filter, typedConfig: { ...filter.typedConfig, value: config.encode(after) } }
}
