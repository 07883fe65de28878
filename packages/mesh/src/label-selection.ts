// Selecting members of a mesh by labels through an index of label pairs, so that a change touches only the selectors it can concern.
import type { Collection, Graph, Index, Scope } from '@weft/graph'
import { labelKeys, type Labels } from '@weft/resources'

interface Labelled {
  readonly mesh: string
  readonly labels: Labels
}

/** Labels that most resources of a mesh share: a poor choice to look up by. */
const commonLabels: ReadonlySet<string> = new Set([labelKeys.mesh, labelKeys.zone, labelKeys.env, labelKeys.origin, labelKeys.managedBy])

/** An index of `mesh`, label key and value. */
export function indexByLabel<V extends Labelled>(graph: Graph, name: string, collection: Collection<V>): Index<V> {
  return graph.index(name, collection, (value) => Object.entries(value.labels).map(([key, text]) => pairKey(value.mesh, key, text)))
}

/** Members of a mesh that have all these labels; none for an empty selector. Sorted by collection key. */
export function selectByLabels<V extends Labelled>(
  scope: Scope,
  index: Index<V>,
  selector: { readonly mesh: string; readonly labels: Labels },
): readonly V[] {
  const pairs = Object.entries(selector.labels)
  const [key, text] = pairs.find(([name]) => !commonLabels.has(name)) ?? pairs[0] ?? []
  if (key === undefined || text === undefined) return []
  // the text of a pair is not unique where a label key holds '=': the labels decide
  return scope.lookup(index, pairKey(selector.mesh, key, text)).filter((value) => hasLabels(value.labels, selector.labels))
}

/** True when `labels` holds every pair of `wanted`. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, text]) => Object.hasOwn(labels, key) && labels[key] === text)
}

function pairKey(mesh: string, key: string, text: string): string {
  return `${mesh}/${key}=${text}`
}
