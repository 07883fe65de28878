// Builders of facts for tests and benchmarks: a small mesh with sensible defaults, every part replaceable.
import type { DestinationFact, IdentityFact, InboundFact, OutboundFact, PolicySet, ProxyFacts, ProxyMetadata, TrustFact } from '@weft/facts'
import type { Resource } from '@weft/resources'

const mesh = 'default'
const zone = 'zone-1'

/** A local MeshService port `name` unless overridden. */
export function sampleDestination(name: string, override: Partial<DestinationFact> = {}): DestinationFact {
  const portName = override.portName ?? 'http'
  const ownMesh = override.mesh ?? mesh
  const short = { MeshService: 'msvc', MeshMultiZoneService: 'mzsvc', MeshExternalService: 'extsvc' }[override.kind ?? 'MeshService']
  return {
    id: `kri_${short}_${ownMesh}_${zone}__${name}_${portName}`,
    kind: 'MeshService',
    mesh: ownMesh,
    name,
    displayName: name,
    zone,
    namespace: '',
    labels: { 'kuma.io/display-name': name, 'kuma.io/mesh': ownMesh, 'kuma.io/zone': zone },
    creationTime: '2026-01-01T00:00:00Z',
    port: 80,
    portName,
    protocol: 'http',
    sni: `sni.${short}.${ownMesh}.${zone}.${name}.${portName}`,
    spiffeIds: [`spiffe://${ownMesh}.${zone}.mesh.local/workload/${name}`],
    tls: true,
    local: true,
    vips: ['241.0.0.1'],
    hostnames: [`${name}.svc.mesh.local`],
    ...override,
  }
}

/** An outbound to a destination under its own id. */
export function sampleOutbound(destination: DestinationFact, override: Partial<OutboundFact> = {}): OutboundFact {
  return { name: destination.id, destination, address: destination.vips[0] ?? '127.0.0.1', port: destination.port, ...override }
}

/** An HTTP inbound. */
export function sampleInbound(override: Partial<InboundFact> = {}): InboundFact {
  return {
    section: 'http',
    address: '10.1.0.2',
    port: 8080,
    workloadAddress: '10.1.0.2',
    workloadPort: 9090,
    protocol: 'http',
    ...override,
  }
}

/** A proxy of a current launcher without redirected traffic. */
export function sampleMetadata(override: Partial<ProxyMetadata> = {}): ProxyMetadata {
  return {
    features: ['feature-reuse-port', 'feature-strict-inbound-ports', 'feature-transparent-proxy-in-dataplane-metadata'],
    workdir: '/run/proxy',
    adminAddress: '127.0.0.1',
    adminPort: 9901,
    adminSocketPath: '/run/proxy/kuma-envoy-admin.sock',
    readinessPort: 9902,
    dnsPort: 15053,
    ipv6Enabled: true,
    systemCaPath: '/etc/ssl/certs/ca-certificates.crt',
    metricsCertPath: '',
    metricsKeyPath: '',
    hostIp: '',
    otelEnv: undefined,
    transparentProxy: undefined,
    ...override,
  }
}

/** Redirection on the usual ports, both families. */
export const sampleRedirect = { inboundPort: 15006, outboundPort: 15001, ipv4: true, ipv6: true, dnsEnabled: true } as const

/** The identity of a workload. */
export function sampleIdentity(workload: string): IdentityFact {
  return {
    kri: `kri_mid_${mesh}_${zone}__identity_`,
    spiffeId: `spiffe://${mesh}.${zone}.mesh.local/workload/${workload}`,
    trustDomain: `${mesh}.${zone}.mesh.local`,
  }
}

/** One trust domain; the text stands for its PEM roots. */
export function sampleTrust(pem = 'roots'): TrustFact {
  return { mesh, domains: [{ name: `${mesh}.${zone}.mesh.local`, pem }] }
}

let lastSet = 0

/** A set of policies, in the order given. */
export function samplePolicies(...policies: readonly Resource[]): PolicySet {
  const byType = new Map<string, Resource[]>()
  for (const policy of policies) {
    const list = byType.get(policy.type)
    if (list === undefined) byType.set(policy.type, [policy])
    else list.push(policy)
  }
  lastSet++
  return { id: lastSet, byType }
}

/** A policy resource of the sample mesh. */
export function samplePolicy(type: string, name: string, spec: unknown): Resource {
  return {
    type,
    mesh,
    name,
    labels: { 'kuma.io/mesh': mesh, 'kuma.io/zone': zone, 'kuma.io/display-name': name, 'kuma.io/origin': 'zone' },
    creationTime: '2026-01-01T00:00:00Z',
    modificationTime: '2026-01-01T00:00:00Z',
    version: 1,
    spec,
  }
}

/** A sidecar called `name` without inbounds, outbounds, identity or policies. */
export function sampleFacts(name: string, override: Partial<ProxyFacts> = {}): ProxyFacts {
  return {
    key: `${mesh}/${name}`,
    mesh,
    name,
    zone,
    workload: name,
    labels: { 'kuma.io/display-name': name, 'kuma.io/mesh': mesh, 'kuma.io/workload': name, 'kuma.io/zone': zone },
    address: '10.1.0.2',
    gateway: false,
    proxy: sampleMetadata(),
    inbounds: [],
    zoneListeners: [],
    outbounds: [],
    ingressDestinations: [],
    egressTargets: [],
    identity: undefined,
    trust: undefined,
    policies: samplePolicies(),
    telemetryBackends: [],
    dns: [],
    ...override,
  }
}
