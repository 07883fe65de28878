// What operators approved: that a zone may speak for a trust domain which is not its own alone. One Config for each approval; it never leaves global.
// An approval is of one Zone, known by its creation: a zone made anew under an old name starts without any.
import { createHash } from 'node:crypto'
import type { Collection, Graph } from '@weft/graph'
import type { Resource } from '@weft/resources'
import type { StoreOp } from '@weft/store'
import { fieldsOf } from './generated-part.ts'

/** What was approved. */
export interface TrustApproval {
  readonly mesh: string
  readonly zone: string
  readonly trustDomain: string
}

const prefix = 'weft-trust-approval.'

/** Text that stands for an approval as a key. */
export function approvalKey({ mesh, zone, trustDomain }: TrustApproval): string {
  return `${mesh}/${zone}/${trustDomain}`
}

/** Creation time of the Zone an approval is for, by `approvalKey`. */
export function deriveApprovals(graph: Graph, configs: Collection<Resource>): Collection<readonly string[]> {
  const read = graph.map({ name: 'trustApprovals', from: configs }, (_, config) => parse(config))
  const byKey = graph.group('trustApprovalsByKey', read, (approval) => [approvalKey(approval)])
  return graph.map({ name: 'approvedTrust', from: byKey }, (_, approvals) => approvals.map(({ zoneCreated }) => zoneCreated))
}

/** The write that approves. */
export function approveTrust(approval: TrustApproval, zoneCreated: string): StoreOp {
  const config = JSON.stringify({ mesh: approval.mesh, zone: approval.zone, trustDomain: approval.trustDomain, zoneCreated })
  return { op: 'put', resource: { ...configKey(approval), labels: {}, spec: { config } } }
}

/** The write that takes an approval back. */
export function revokeTrust(approval: TrustApproval): StoreOp {
  return { op: 'delete', key: configKey(approval), ifPresent: true }
}

function configKey(approval: TrustApproval): { readonly type: string; readonly mesh: string; readonly name: string } {
  const hash = createHash('sha256').update(approvalKey(approval)).digest('hex').slice(0, 20)
  return { type: 'Config', mesh: '', name: `${prefix}${hash}` }
}

function parse(config: Resource): (TrustApproval & { readonly zoneCreated: string }) | undefined {
  if (!config.name.startsWith(prefix)) return undefined
  const text = fieldsOf(config.spec)['config']
  try {
    const { mesh, zone, trustDomain, zoneCreated } = fieldsOf(JSON.parse(typeof text === 'string' ? text : ''))
    if (typeof mesh !== 'string' || typeof zone !== 'string' || typeof trustDomain !== 'string' || typeof zoneCreated !== 'string')
      return undefined
    return { mesh, zone, trustDomain, zoneCreated }
  } catch {
    return undefined
  }
}
