// Selecting members of a mesh by labels through an index of label pairs, so that a change touches only the selectors it can concern.
import type { Collection, Graph, Index, Scope } from '@weft/graph'
import { labelKeys, type Labels } from '@weft/resources'

interface Labelled {
  readonly mesh: string
  readonly labels: Labels
}

/** Labels that most resources of a mesh share: a poor choice to look up by. */
const commonLabels: ReadonlySet<string> = new Set([labelKeys.mesh, labelKeys.zone, labelKeys.env, labelKeys.origin, labelKeys.managedBy])

/** An index of `mesh`, label key and value; common labels are not told apart: whoever has nothing else to look up by finds the whole mesh. */
export function indexByLabel<V extends Labelled>(graph: Graph, name: string, collection: Collection<V>): Index<V> {
  return graph.index(name, collection, ({ mesh, labels }) => {
    const keys = [meshKey(mesh)]
    for (const [key, text] of Object.entries(labels)) if (!commonLabels.has(key)) keys.push(pairKey(mesh, key, text))
    return keys
  })
}

/** Members of a mesh that have all these labels; none for an empty selector. Sorted by collection key. */
export function selectByLabels<V extends Labelled>(
  scope: Scope,
  index: Index<V>,
  selector: { readonly mesh: string; readonly labels: Labels },
): readonly V[] {
  const pairs = Object.entries(selector.labels)
  if (pairs.length === 0) return []
  const pair = pairs.find(([name]) => !commonLabels.has(name))
  const found = scope.lookup(index, pair ? pairKey(selector.mesh, ...pair) : meshKey(selector.mesh))
  // the text of a pair is not unique where a label key holds '=': the labels decide
  return found.filter((value) => hasLabels(value.labels, selector.labels))
}

/** True when `labels` holds every pair of `wanted`. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.keys(wanted).every((key) => Object.hasOwn(labels, key) && labels[key] === wanted[key])
}

function meshKey(mesh: string): string {
  return `${mesh}/`
}

function pairKey(mesh: string, key: string, text: string): string {
  return `${mesh}/${key}=${text}`
}
