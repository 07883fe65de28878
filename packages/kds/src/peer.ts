// What a peer says about itself in headers and in the metadata of a node, and what we say. Only the first request of a stream decides.
import type { PeerDescription, PeerVersion } from './contract.ts'
import { storeIdField } from './features.ts'
import { list, member, text } from './json.ts'
import type { NodeValue } from './wire.ts'

/** How this control plane names itself in node metadata. */
export interface Self {
  /** `<hostname>-<4 hex>`. */
  readonly instanceId: string
  readonly version: PeerVersion
  readonly storeId: string
}

/** Everything that node metadata says. */
export interface NodeFacts extends PeerDescription {
  readonly features: ReadonlySet<string>
  /** Absent for a stock peer. */
  readonly storeId: string | undefined
}

/** Node of our first request of a type: `id` is the zone's name on both streams (contract/kds.md section 3.2). */
export function describingNode(
  id: string,
  self: Self,
  facts: { readonly features: readonly string[]; readonly config: string },
): NodeValue {
  const metadata = {
    version: { kumaCp: { ...self.version } },
    config: facts.config,
    'control-plane-id': self.instanceId,
    features: facts.features,
    [storeIdField]: self.storeId,
  }
  return { id, metadata }
}

/** Reads node metadata; anything missing or of another shape counts as absent. */
export function nodeFacts(node: NodeValue): NodeFacts {
  const { metadata } = node
  const version = member(member(metadata, 'version'), 'kumaCp')
  return {
    version: {
      version: text(version, 'version'),
      gitTag: text(version, 'gitTag'),
      gitCommit: text(version, 'gitCommit'),
      buildDate: text(version, 'buildDate'),
    },
    config: text(metadata, 'config'),
    instanceId: text(metadata, 'control-plane-id'),
    features: new Set(list(metadata, 'features').filter((feature): feature is string => typeof feature === 'string')),
    storeId: text(metadata, storeIdField) || undefined,
  }
}

/** Generation of a zone: the header `zone-version` exists since v3 (contract/kds.md section 3.1); builds without a number count by it alone. */
export function isSecondGeneration(zoneVersionHeader: string | undefined, facts: PeerDescription): boolean {
  return !zoneVersionHeader && !/^v?([3-9]|\d\d)/.test(facts.version.version)
}

/** `store.type` of a zone's configuration is kubernetes: its Dataplanes are named `<name>.<namespace>` (contract/kds.md section 12). */
export function hasKubernetesStore(config: string): boolean {
  try {
    const parsed: unknown = JSON.parse(config)
    return text(member(parsed, 'store'), 'type') === 'kubernetes'
  } catch {
    return false
  }
}
