// The Dataplanes of a fleet: services svc-0, svc-1, ... in every zone, each proxy reaching the next few of them, half in other zones.
import type { ProxyNode } from './simulated-proxy.ts'

/** What all zones of one fleet agree on. */
export interface FleetPlan {
  readonly mesh: string
  /** Names of all zones; the first one hosts the probes. */
  readonly zones: readonly string[]
  /** Services in each zone. */
  readonly services: number
  /** Services each proxy may reach. 0: no transparent proxy and no outbound at all. */
  readonly reachable: number
  /** Services `probe-0`, ... of the first zone that every proxy may also reach, and MeshMultiZoneService `probe-0`. */
  readonly probes: number
}

export interface PlannedProxy {
  readonly name: string
  readonly workload: string
  readonly node: ProxyNode
  /** Clusters the proxy needs to be complete. */
  readonly backends: readonly string[]
}

export interface SidecarPlan {
  readonly zone: string
  readonly name: string
  readonly workload: string
  /** Its place in the zone, from 0: gives it an address of its own. */
  readonly index: number
  /** Number of the service whose neighbours it reaches. */
  readonly service: number
}

/** A sidecar with redirected traffic and one inbound, so that its workload becomes a MeshService. */
export function planSidecar(plan: FleetPlan, { zone, name, workload, index, service }: SidecarPlan): PlannedProxy {
  const { references, clusters } = reachable(plan, zone, service)
  const networking = {
    address: addressOf(plan, zone, index),
    inbound: [{ port: 8080, name: 'main', protocol: 'http' }],
    ...(plan.reachable > 0 && {
      transparentProxying: { redirectPortInbound: 15006, redirectPortOutbound: 15001, reachableBackends: { refs: references } },
    }),
  }
  return { name, workload, node: node(plan, { name, workload, networking, isRedirected: plan.reachable > 0 }), backends: clusters }
}

/** A zone ingress: configured like any proxy, without a service of its own. */
export function planIngress(plan: FleetPlan, zone: string, index: number): PlannedProxy {
  const address = addressOf(plan, zone, index)
  const name = `ingress-${zone}`
  const networking = { address, listeners: [{ type: 'ZoneIngress', address, port: 10001, name: 'main' }] }
  return { name, workload: 'ingress', node: node(plan, { name, workload: 'ingress', networking, isRedirected: false }), backends: [] }
}

/** Addresses are data only: nothing listens or connects there. Room for 60,000 proxies a zone. */
function addressOf({ zones }: FleetPlan, zone: string, index: number): string {
  return `10.${10 + zones.indexOf(zone)}.${Math.floor(index / 240)}.${1 + (index % 240)}`
}

function reachable(
  plan: FleetPlan,
  zone: string,
  service: number,
): { readonly references: readonly object[]; readonly clusters: readonly string[] } {
  const reference = (name: string, of: string): object => ({
    kind: 'MeshService',
    labels: { 'kuma.io/display-name': name, 'kuma.io/zone': of },
  })
  const own = plan.zones.indexOf(zone)
  const others = plan.zones.length - 1
  const references: object[] = []
  const clusters: string[] = []
  for (let step = 1; step <= plan.reachable; step++) {
    const isAway = others > 0 && step % 2 === 0
    const hop = isAway ? 1 + ((step / 2 - 1) % others) : 0
    const target = plan.zones[(own + hop) % plan.zones.length] ?? zone
    const name = `svc-${(service + step) % plan.services}`
    references.push(reference(name, target))
    // the KRI of a service's port names its cluster and listener (contract/dataplane.md section 9)
    clusters.push(`kri_msvc_${plan.mesh}_${target}__${name}_main`)
  }
  const probeZone = plan.zones[0] ?? zone
  for (let probe = 0; probe < plan.probes; probe++) references.push(reference(`probe-${probe}`, probeZone))
  if (plan.probes > 0) references.push({ kind: 'MeshMultiZoneService', labels: { 'kuma.io/display-name': 'probe-0' } })
  return { references, clusters: [...new Set(clusters)] }
}

interface NodeParts {
  readonly name: string
  readonly workload: string
  readonly networking: object
  readonly isRedirected: boolean
}

const features = [
  'feature-delta-grpc',
  'feature-embedded-dns',
  'feature-otel-via-kuma-dp',
  'feature-reuse-port',
  'feature-strict-inbound-ports',
  'feature-tcp-accesslog-via-named-pipe',
  'feature-unified-resource-naming',
]

/** What a launcher's bootstrap has Envoy say of itself (contract/dataplane.md section 3). */
function node({ mesh }: FleetPlan, { name, workload, networking, isRedirected }: NodeParts): ProxyNode {
  const dataplane = { type: 'Dataplane', mesh, name, labels: { 'kuma.io/workload': workload }, networking }
  const folder = `/run/simulated/${name}`
  return {
    id: `${mesh}.${name}`,
    cluster: workload,
    metadata: {
      'dataplane.resource': JSON.stringify(dataplane),
      'dataplane.proxyType': 'dataplane',
      'dataplane.admin.address': '127.0.0.1',
      'dataplane.admin.port': '9901',
      'dataplane.admin.socketPath': `${folder}/kuma-envoy-admin.sock`,
      'dataplane.dns.port': '15053',
      'dataplane.readinessReporter.port': '9902',
      workdir: folder,
      systemCaPath: '/etc/ssl/certs/ca-certificates.crt',
      ipv6Enabled: false,
      version: {
        kumaDp: { version: '3.0.0', gitTag: '', gitCommit: '', buildDate: '' },
        envoy: { version: '1.40.0', build: 'simulated', kumaDpCompatible: true },
      },
      features: isRedirected ? [...features, 'feature-transparent-proxy-in-dataplane-metadata'] : features,
      ...(isRedirected && {
        transparentProxy: {
          ipFamilyMode: 'ipv4',
          redirect: {
            dns: { enabled: true, port: 15053 },
            inbound: { enabled: true, port: 15006 },
            outbound: { enabled: true, port: 15001 },
            vnet: { networks: [] },
          },
        },
      }),
    },
  }
}
