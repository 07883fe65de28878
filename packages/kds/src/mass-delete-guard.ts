// Holds back deletions of an origin that suddenly stops listing a large part of a type: a bad export, the wrong database, an empty store. What
// is held was acknowledged and stays in use until someone approves or rejects it, or the origin lists it again.

/** When deletions are too many. */
export interface MassDeleteGuard {
  /** Part of the owned resources of a type, 0 to 1; more than this within the window is held. */
  readonly share: number
  /** Types with fewer resources are not guarded. */
  readonly min: number
  readonly windowMs: number
  /** So many in one response are always allowed and never counted. */
  readonly atATime: number
}

export const defaultMassDelete: MassDeleteGuard = { share: 0.5, min: 20, windowMs: 60_000, atATime: 5 }

/** What one response, or one list, would delete. */
export interface DeletionAttempt {
  readonly type: string
  readonly count: number
  /** Resources of the type that belong to the origin and are not held, with those to be deleted. */
  readonly owned: number
  /** Monotonic ms. */
  readonly now: number
}

/** What an origin deleted lately, whatever streams it had. */
export interface RecentDeletions {
  /** Whether the guard lets this go on; what it lets go counts from then on. */
  admits(attempt: DeletionAttempt, guard: MassDeleteGuard): boolean
}

export function createRecentDeletions(): RecentDeletions {
  const types = new Map<string, { readonly at: number; readonly count: number }[]>()
  return {
    admits: ({ type, count, owned, now }, guard) => {
      if (count <= guard.atATime) return true
      const recent = (types.get(type) ?? []).filter(({ at }) => at > now - guard.windowMs)
      const before = recent.reduce((sum, deletion) => sum + deletion.count, 0)
      const base = owned + before
      if (base >= guard.min && before + count > guard.share * base) return false
      recent.push({ at: now, count })
      types.set(type, recent)
      return true
    },
  }
}
