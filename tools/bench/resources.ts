// What an operator writes before and during the measurements.
import { identity } from '../../apps/demo/src/resources.ts'

export { identity }

export interface BenchResource {
  readonly type: string
  readonly mesh?: string
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec?: object
}

export const meshName = 'default'
export const mesh = { type: 'Mesh', name: meshName, meshServices: { mode: 'Exclusive' } }

/** Lets the workloads of the given zones call everything in the mesh. */
export function permission(zones: readonly string[]): BenchResource {
  const allow = zones.map((zone) => ({ spiffeID: { type: 'Prefix', value: `spiffe://${meshName}.${zone}.mesh.local` } }))
  return {
    type: 'MeshTrafficPermission',
    mesh: meshName,
    name: 'callers',
    spec: { targetRef: { kind: 'Mesh' }, rules: [{ default: { allow } }] },
  }
}

/** A service of all zones that have one of that name. */
export function serviceOfAllZones(name: string): BenchResource {
  return {
    type: 'MeshMultiZoneService',
    mesh: meshName,
    name,
    spec: {
      selector: { meshService: { matchLabels: { 'kuma.io/display-name': name } } },
      ports: [{ port: 8080, name: 'main', appProtocol: 'http' }],
    },
  }
}

/** Changes one field of every cluster of every proxy. */
export function connectTimeout(ms: number): BenchResource {
  return {
    type: 'MeshTimeout',
    mesh: meshName,
    name: 'bench',
    spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${ms}ms` } }] },
  }
}

/** Where other zones reach a zone's ingress. */
export function zoneAddress(zone: string, port: number): BenchResource {
  return {
    type: 'MeshZoneAddress',
    mesh: meshName,
    name: `${zone}-address`,
    labels: { 'kuma.io/origin': 'zone', 'kuma.io/zone': zone },
    spec: { address: '127.0.0.1', port },
  }
}

/** Another zone's trust bundle, as an operator copies it by hand. */
export function copiedTrust(spec: object, from: string, to: string): BenchResource {
  return {
    type: 'MeshTrust',
    mesh: meshName,
    name: `trust-of-${from}`,
    labels: { 'kuma.io/origin': 'zone', 'kuma.io/zone': to },
    spec,
  }
}

const plurals: Readonly<Record<string, string>> = {
  Mesh: 'meshes',
  MeshIdentity: 'meshidentities',
  MeshLoadBalancingStrategy: 'meshloadbalancingstrategies',
  MeshRetry: 'meshretries',
  MeshZoneAddress: 'meshzoneaddresses',
}

/** Path of a resource in the REST API. */
export function pathOf({ type, mesh: of, name }: BenchResource): string {
  const plural = plurals[type] ?? `${type.toLowerCase()}s`
  return of === undefined ? `/${plural}/${name}` : `/meshes/${of}/${plural}/${name}`
}
