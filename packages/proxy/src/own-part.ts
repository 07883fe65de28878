// One group of a proxy's own resources, collected while it is built: each resource fails alone.
import type { ClusterDraft, ListenerDraft } from '@weft/envoy'
import { messageOf } from '@weft/foundation/errors'
import type { ConfByType, Problem, ResourceOrigin } from '@weft/policies'
import type { EncodedResource, XdsType } from '@weft/xds'
import type { PolicyFailure } from './apply-policies.ts'
import type { DynamicConfigEntry } from './generators/dynamic-config.ts'
import type { ResourceProblem } from './problem.ts'
import { type Finished, finishCluster, finishListener } from './raw-patches.ts'

/** What was built, by Envoy name, and what was not. */
export interface OwnResources {
  readonly clusters: ReadonlyMap<string, EncodedResource>
  readonly listeners: ReadonlyMap<string, EncodedResource>
  readonly problems: readonly ResourceProblem[]
}

/** What one group of resources came to. */
export interface PartContent extends OwnResources {
  /** What it tells the launcher. */
  readonly entries: readonly DynamicConfigEntry[]
}

/** A group of resources with the identities of everything they were built from: equal inputs are not built again. */
export interface OwnPart {
  readonly inputs: readonly unknown[]
  readonly content: PartContent
}

/** Collects one part. */
export interface PartBuild {
  attempt(type: XdsType, resource: string, build: () => void): void
  /** `origin` where it is not that of the part. */
  addCluster(draft: ClusterDraft, origin?: ResourceOrigin): void
  addListener(draft: ListenerDraft | undefined, origin?: ResourceOrigin): void
  addEntry(entry: DynamicConfigEntry): void
  report(resource: string, failures: readonly PolicyFailure[], confProblems: readonly Problem[]): void
}

/** Builds one group. `raw`: the policies that edit finished resources. */
export function buildPart(
  { origin, raw }: { readonly origin: ResourceOrigin; readonly raw: ConfByType | undefined },
  build: (into: PartBuild) => void,
): PartContent {
  const clusters = new Map<string, EncodedResource>()
  const listeners = new Map<string, EncodedResource>()
  const entries: DynamicConfigEntry[] = []
  const problems: ResourceProblem[] = []
  const attempt = (type: XdsType, resource: string, make: () => void): void => {
    try {
      make()
    } catch (error) {
      problems.push({ type, resource, policy: undefined, message: messageOf(error) })
    }
  }
  const keep = (type: 'cluster' | 'listener', resource: string, { encoded, failures }: Finished): void => {
    if (encoded !== undefined) (type === 'cluster' ? clusters : listeners).set(resource, encoded)
    for (const failure of failures) problems.push({ type, resource, ...failure })
  }
  build({
    attempt,
    addCluster: (draft, of = origin) =>
      attempt('cluster', draft.name, () => keep('cluster', draft.name, finishCluster({ draft, failures: [] }, of, raw))),
    addListener: (draft, of = origin) => {
      if (draft !== undefined)
        attempt('listener', draft.name, () => keep('listener', draft.name, finishListener({ draft, failures: [] }, of, raw)))
    },
    addEntry: (entry) => entries.push(entry),
    report: (resource, failures, confProblems) => {
      for (const failure of failures) problems.push({ type: 'listener', resource, ...failure })
      for (const problem of confProblems) problems.push({ type: 'listener', resource, policy: problem.type, message: problem.message })
    },
  })
  return { entries, clusters, listeners, problems }
}

/** True when both lists hold the identical items. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}
