// The resources the demo applies: a mesh with an identity, a permission, and a service that lives in both zones.

export const zones = ['east', 'west'] as const
export type ZoneName = (typeof zones)[number]

export const mesh = { type: 'Mesh', name: 'default' }

export const identity = {
  type: 'MeshIdentity',
  mesh: 'default',
  name: 'identity',
  spec: {
    selector: { dataplane: { matchLabels: {} } },
    spiffeID: { trustDomain: '{{ .Mesh }}.{{ .Zone }}.mesh.local' },
    provider: {
      type: 'Bundled',
      bundled: { insecureAllowSelfSigned: true, autogenerate: { enabled: true }, meshTrustCreation: 'Enabled' },
    },
  },
}

/** Lets the workloads of the given zones call everything in the mesh. */
export function permission(from: readonly ZoneName[]): object {
  return {
    type: 'MeshTrafficPermission',
    mesh: 'default',
    name: 'callers',
    spec: {
      targetRef: { kind: 'Mesh' },
      rules: [{ default: { allow: from.map((zone) => ({ spiffeID: { type: 'Prefix', value: `spiffe://default.${zone}.mesh.local` } })) } }],
    },
  }
}

export const backendEverywhere = {
  type: 'MeshMultiZoneService',
  mesh: 'default',
  name: 'backend',
  spec: {
    selector: { meshService: { matchLabels: { 'kuma.io/display-name': 'backend' } } },
    ports: [{ port: 8080, name: 'main', appProtocol: 'http' }],
  },
}

/** The address under which other zones reach a zone's ingress. */
export function zoneAddress(zone: ZoneName, port: number): object {
  return {
    type: 'MeshZoneAddress',
    mesh: 'default',
    name: `${zone}-ingress`,
    labels: { 'kuma.io/origin': 'zone', 'kuma.io/zone': zone },
    spec: { address: '127.0.0.1', port },
  }
}

export function dataplane(name: string, workload: string, networking: object): object {
  return {
    type: 'Dataplane',
    mesh: 'default',
    name,
    labels: { 'kuma.io/workload': workload },
    networking: { address: '127.0.0.1', ...networking },
  }
}
