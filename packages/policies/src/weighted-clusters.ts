// Weights as Envoy takes them: 32 bits for each and for their sum.
import type { SplitModel } from './route-model.ts'

const largestSum = 0xffffffff

/** Cluster names with their weights as written; scaled down, at least to 1, when their sum is more than Envoy accepts. */
export function weightedClusters(
  splits: readonly SplitModel[],
  ownCluster: string,
): readonly { readonly name: string; readonly weight: number }[] {
  const sum = splits.reduce((total, split) => total + split.weight, 0)
  // room for those that are rounded up to 1
  const scale = sum > largestSum ? (largestSum - splits.length) / sum : 1
  return splits.map((split) => ({
    name: split.backend.name ?? ownCluster,
    weight: scale === 1 ? split.weight : Math.max(1, Math.floor(split.weight * scale)),
  }))
}
