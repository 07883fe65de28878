// Resources that one end of sync cannot accept, each with the reason, at the end that refuses them and at the one they come from. A resource
// leaves with its next accepted version, or when it is gone. Nothing here survives the process: what is refused is sent again after a restart.
import { type Clock, timestamp } from '@weft/foundation/time'
import type { ResourceKey } from '@weft/resources'

/** A refused resource. Mesh and name are those of this side's store. */
export interface QuarantinedResource extends ResourceKey {
  /** `<name>.<mesh>` as it travels. */
  readonly wireName: string
  /** The refusing side's words. */
  readonly reason: string
  /** RFC 3339 of its first refusal. */
  readonly since: string
  /** False: the peer refused several at once and did not say which, so this one may be good. */
  readonly certain: boolean
}

/** What is refused of one peer, or by it. */
export interface Quarantine {
  add(resource: Omit<QuarantinedResource, 'since'>): void
  release(type: string, wireName: string): void
  /** Forgets everything of a type but these wire names. */
  keepOnly(type: string, wireNames: ReadonlySet<string>): void
  has(type: string, wireName: string): boolean
  /** Sorted by type, mesh and name. */
  list(): readonly QuarantinedResource[]
  readonly size: number
}

const longestReason = 1_000
/** A peer may refuse everything; the rest is counted by its type's refusals. */
const mostKept = 10_000

export function createQuarantine(clock: Pick<Clock, 'now'>): Quarantine {
  const types = new Map<string, Map<string, QuarantinedResource>>()
  let size = 0
  const release = (type: string, wireName: string): void => {
    const ofType = types.get(type)
    if (!ofType?.delete(wireName)) return
    size--
    if (ofType.size === 0) types.delete(type)
  }
  return {
    add: (resource) => {
      const { type, wireName } = resource
      const ofType = types.get(type) ?? new Map<string, QuarantinedResource>()
      const before = ofType.get(wireName)
      if (!before && size >= mostKept) return
      if (!before) size++
      const reason = resource.reason.slice(0, longestReason)
      ofType.set(wireName, { ...resource, reason, since: before?.since ?? timestamp(clock.now()) })
      types.set(type, ofType)
    },
    release,
    keepOnly: (type, wireNames) => {
      for (const name of types.get(type)?.keys() ?? []) if (!wireNames.has(name)) release(type, name)
    },
    has: (type, wireName) => types.get(type)?.has(wireName) ?? false,
    list: () =>
      [...types.values()]
        .flatMap((ofType) => [...ofType.values()])
        .sort((a, b) => compare(a.type, b.type) || compare(a.mesh, b.mesh) || compare(a.name, b.name)),
    get size() {
      return size
    },
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
