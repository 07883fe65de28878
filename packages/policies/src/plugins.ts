// The effects of all policies in the order in which they act.
import type { PolicyPlugin } from './plugin.ts'
import { policies } from './policies.ts'

/** The plugins, sorted by their order. */
export const plugins: readonly PolicyPlugin[] = policies.map(({ plugin }) => plugin)
