// Whether a dataplane may call a destination, and which rule says so: the permission rules of every inbound behind it, asked for this caller.
import type { DestinationFact, PolicySet } from '@weft/facts'
import { isTarget, type ServicePortFact } from '@weft/mesh'
import { effectiveInbound, permissionVerdict } from '@weft/policies'
import { displayName, nameKey, type Resource } from '@weft/resources'
import { type Inspected, inspected, type InspectionSource } from './inspected.ts'

/** The verdict of one inbound behind a destination. */
export interface InboundVerdict {
  readonly dataplane: string
  readonly section: string
  readonly allowed: boolean
  /** KRI of the policy that decided. */
  readonly by?: string
  /** KRI of the policy that would deny and only reports. */
  readonly shadowDeniedBy?: string
  readonly message: string
}

/** The verdicts of all inbounds behind a MeshService port, as its own zone sees them. `client` undefined: no certificate. */
export function explainPermission(
  server: InspectionSource,
  destination: DestinationFact,
  client: { readonly spiffeId: string } | undefined,
): readonly InboundVerdict[] {
  const service = server.mesh.services.get(`${destination.mesh}/${destination.name}`)
  const port = service?.ports.find(({ id }) => id === destination.id)
  if (!service || !port) return []
  return (server.mesh.serviceMembers.get(service.key) ?? []).flatMap((key) => {
    const [mesh = '', name = ''] = key.split('/')
    const resource = server.store.get({ type: 'Dataplane', mesh, name })
    const dataplane = resource && inspected(server, resource)
    return dataplane ? verdictsOf(dataplane, { port, sni: destination.sni, client }) : []
  })
}

interface Call {
  readonly port: ServicePortFact
  readonly sni: string | undefined
  readonly client: { readonly spiffeId: string } | undefined
}

function verdictsOf(dataplane: Inspected, call: Call): readonly InboundVerdict[] {
  const identity = dataplane.source.mesh.identities.get(nameKey(dataplane.resource))
  const policies = policySetOf(dataplane)
  return dataplane.fact.inbounds
    .filter((inbound) => isTarget(call.port, inbound))
    .map((inbound) => {
      const at = { dataplane: displayName(dataplane.resource), section: inbound.section }
      if (!identity) return { ...at, allowed: true, message: 'it has no identity, so it takes plaintext and permission rules do not act' }
      const conf = effectiveInbound(policies, inbound)
      if (!call.client) {
        const isPermissive = conf.tlsMode === 'Permissive'
        return {
          ...at,
          allowed: isPermissive,
          message: isPermissive
            ? 'the caller has no identity; MeshTLS lets plaintext in, past permission rules'
            : 'the caller has no identity and mTLS is demanded',
        }
      }
      const verdict = permissionVerdict(conf.byType['MeshTrafficPermission'], { spiffeId: call.client.spiffeId, sni: call.sni })
      const { allowed, by, shadowDeniedBy } = verdict
      return { ...at, allowed, ...(by ? { by } : {}), ...(shadowDeniedBy ? { shadowDeniedBy } : {}), message: verdictText(allowed, by) }
    })
}

function verdictText(allowed: boolean, by: string | undefined): string {
  if (by === undefined) return 'no rule allows the caller, and what no rule allows is denied'
  return `${allowed ? 'allowed' : 'denied'} by a rule of ${by}`
}

function policySetOf({ matched }: Inspected): PolicySet {
  return { id: 0, byType: new Map(matched.map(({ kind, policies }): [string, readonly Resource[]] => [kind.type, policies])) }
}
