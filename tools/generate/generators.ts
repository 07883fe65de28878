// The list of generators: each answers repository paths with their full content, from committed sources only.
import { errorDocs } from './error-docs.ts'
import { policyDocs } from './policy-docs.ts'

export type Generator = (root: string) => Promise<ReadonlyMap<string, string>>

export const generators: readonly Generator[] = [errorDocs, policyDocs]
