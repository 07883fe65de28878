// What a run of the chaos suite remembers, in the order in which it happened. Invariants are judged from this alone.

/** A control plane by name: `global`, or a zone. */
export type Place = string

/** A resource by what a person calls it, the same at every place: `<type>|<mesh>|<zone of origin or ''>|<display name>`. */
export type Key = string

export type Happening =
  /** A writer starts to write; `value` undefined is a deletion. */
  | { readonly kind: 'write'; readonly id: number; readonly place: Place; readonly key: Key; readonly value: number | undefined }
  /** The control plane acknowledged that write. `changedNothing`: what it wanted was so already, so no log has an entry of it. */
  | { readonly kind: 'acknowledged'; readonly id: number; readonly changedNothing?: boolean }
  /** A list shows a resource that is new there, or has another value. */
  | { readonly kind: 'seen'; readonly by: string; readonly key: Key; readonly value: number | undefined }
  /** A list lacks a resource it had. */
  | { readonly kind: 'gone'; readonly place: Place; readonly key: Key }
  /** The process at a place was killed; without its state if its store is in memory. */
  | { readonly kind: 'killed'; readonly place: Place; readonly forgets: boolean }
  /** A proxy was told to give up something it had. */
  | { readonly kind: 'shrunk'; readonly proxy: string; readonly what: string }
  /** A session of a zone was given something to apply; `at`: milliseconds on a clock of its own, when it had arrived. */
  | { readonly kind: 'served'; readonly zone: Place; readonly session: string; readonly at: number }
  /** A look at global: how many subscriptions of a zone are open. */
  | { readonly kind: 'subscriptions'; readonly zone: Place; readonly open: number }
  /** A resource carries this zone's label although somebody else made it. */
  | { readonly kind: 'author'; readonly place: Place; readonly key: Key; readonly zone: string; readonly author: string }

export interface History {
  readonly happenings: readonly Happening[]
  add(happening: Happening): void
}

/** Nothing has happened. */
export function createHistory(): History {
  const happenings: Happening[] = []
  return { happenings, add: (happening) => void happenings.push(happening) }
}

/** The key of a resource. */
export function keyOf(type: string, mesh: string, zone: string, name: string): Key {
  return [type, mesh, zone, name].join('|')
}

/** Where a resource comes from. */
export function originOf(key: Key): Place {
  return key.split('|')[2] || 'global'
}
