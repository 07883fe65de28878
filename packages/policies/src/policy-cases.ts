// Golden cases of policies: policies and one part of a proxy in, Envoy resources out. UPDATE_GOLDEN=1 writes what comes out.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type ClusterDraft,
  clusterMessage,
  edsCluster,
  encodeLoadAssignment,
  explicitHttp,
  filterChain,
  httpDraft,
  type IpFamily,
  type ListenerDraft,
  listenerDraft,
  listenerMessage,
  loadAssignmentDraft,
  originalDstCluster,
  passthroughName,
  settleOutOfReach,
  type PlacedEndpoint,
  routeTo,
  socketAddress,
  staticCluster,
  tagsMetadata,
  tcpDraft,
  upstreamTls,
  downstreamTls,
} from '@weft/envoy'
import type { DestinationFact, PolicySet, Protocol } from '@weft/facts'
import { destinationLookup, sortPolicies } from '@weft/policy'
import { codec, type Messages } from '@weft/proto'
import type { Resource } from '@weft/resources'
import { effectiveInbound, effectiveZoneListener } from './effective-inbound.ts'
import { effectiveOutbound } from './effective-outbound.ts'
import { effectiveProxy } from './effective-proxy.ts'
import type { ClientPlace, ConfByType, IdentityView, PassthroughView, PolicyPlugin } from './plugin.ts'
import { plugins } from './plugins.ts'
import { type CaseOwner, caseOwner, ownOutcome } from './policy-case-owner.ts'

/** A policy as a case writes it; the rest is filled in. */
type CasePolicy = {
  readonly type: string
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly spec: unknown
}
type CaseDestination = Partial<DestinationFact> & { readonly name: string }

interface CaseInput {
  /** What the case shows, in words. */
  readonly about: string
  readonly policies: readonly CasePolicy[]
  readonly identity?: boolean
  /** The proxy that the part belongs to. */
  readonly owner?: CaseOwner
  readonly inbound?: { readonly section: string; readonly protocol: Protocol }
  readonly outbound?: {
    readonly destination: CaseDestination
    readonly others?: readonly CaseDestination[]
    readonly name?: string
    /** With endpoints the case shows the load assignment as well, for a client at this place. */
    readonly endpoints?: readonly (Partial<PlacedEndpoint> & Pick<PlacedEndpoint, 'address' | 'zone'>)[]
    readonly client?: ClientPlace
  }
  readonly zoneEgress?: {
    readonly section: string
    readonly protocol: Protocol
    readonly sni: string
    readonly destination?: CaseDestination
  }
  /** The passthrough of these families. */
  readonly passthrough?: readonly IpFamily[]
  /** A small proxy as a whole: an HTTP inbound, an HTTP outbound and the passthrough, as policies that edit finished resources leave it. */
  readonly finished?: true
  readonly zoneIngress?: { readonly section: string; readonly sni: string }
}

const identityView: IdentityView = {
  secret: 'kri_mid_default_zone-1__identity_',
  trustSecret: 'system_trust_bundle',
  trustDomains: ['default.zone-1.mesh.local'],
}
/** Labels of the client of outbound cases, as its requests carry them. */
const clientTags = '&app=client&'
/** Policies that shape what the others act on take part in every case. */
const alwaysActive: readonly string[] = ['MeshHTTPRoute', 'MeshTCPRoute', 'MeshTLS']

/** One test per `cases/NAME.input.json` of a policy's folder: the plugin's effect must equal `cases/NAME.golden.json`. */
export function runPolicyCases(folder: string, plugin: { readonly type: string }): void {
  const cases = join(folder, 'cases')
  const names = readdirSync(cases).filter((file) => file.endsWith('.input.json'))
  assert.ok(names.length > 0, 'a policy needs at least one case')
  for (const file of names) {
    void test(`${plugin.type}: ${file.slice(0, -'.input.json'.length)}`, () => {
      // cases are written by us and fail loudly when malformed
      const input = JSON.parse(readFileSync(join(cases, file), 'utf8')) as CaseInput
      const golden = join(cases, file.replace('.input.', '.golden.'))
      const text = `${JSON.stringify(outcome(input, plugin.type), null, 2)}\n`
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, text)
      assert.ok(existsSync(golden), `no golden file ${golden}`)
      assert.equal(text, readFileSync(golden, 'utf8'))
    })
  }
}

/** The policy set of a proxy that every given policy selects. */
export function policySetOf(policies: readonly CasePolicy[]): PolicySet {
  const byType = new Map<string, Resource[]>()
  for (const policy of policies) {
    const resource: Resource = { mesh: 'default', labels: {}, creationTime: '', modificationTime: '', version: 0, ...policy }
    byType.set(policy.type, [...(byType.get(policy.type) ?? []), resource])
  }
  return { id: 1, byType: new Map([...byType].map(([type, list]) => [type, sortPolicies(list)])) }
}

/** A destination with everything a case leaves open. */
export function caseDestination(over: CaseDestination): DestinationFact {
  const kind = over.kind ?? 'MeshService'
  const short = kind === 'MeshService' ? 'msvc' : kind === 'MeshExternalService' ? 'extsvc' : 'mzsvc'
  const portName = over.portName ?? '80'
  return {
    id: `kri_${short}_default_zone-1__${over.name}_${portName}`,
    kind,
    mesh: 'default',
    displayName: over.name,
    zone: 'zone-1',
    namespace: '',
    labels: { 'kuma.io/display-name': over.name },
    creationTime: '2026-01-01T00:00:00Z',
    port: 80,
    portName,
    protocol: 'http',
    sni: `sni.${short}.default.zone-1.${over.name}.${portName}`,
    spiffeIds: [`spiffe://default.zone-1.mesh.local/workload/${over.name}`],
    tls: true,
    local: true,
    vips: [],
    hostnames: [],
    ...over,
  }
}

function outcome(input: CaseInput, type: string): unknown {
  const types = new Set([type, ...alwaysActive, ...input.policies.map((policy) => policy.type)])
  const active = plugins.filter((plugin) => types.has(plugin.type))
  const policies = policySetOf(input.policies)
  const identity = input.identity === true ? identityView : undefined
  const owner = caseOwner(input.owner)
  const whole = effectiveProxy(policies).byType
  const own = (confs: Parameters<typeof ownOutcome>[2]): object => {
    const plugin = active.find((candidate) => candidate.type === type)
    return ownOutcome(plugin, owner, { whole, ...confs })
  }
  if (input.inbound !== undefined) {
    const { section, protocol } = input.inbound
    const fact = { section, protocol, address: '192.168.0.1', port: 80, workloadAddress: '192.168.0.1', workloadPort: 8080 }
    const conf = effectiveInbound(policies, fact)
    const { listener, cluster } = inboundDrafts(section, protocol)
    for (const plugin of active)
      plugin.inbound?.({ owner, section, named: false, protocol, identity, listener, cluster }, conf.byType[plugin.type])
    const added = own({ inbounds: conf.byType })
    return { problems: conf.problems, cluster: clusterJson(cluster), listener: listenerJson(listener), ...added }
  }
  if (input.zoneEgress !== undefined) {
    const { section, protocol, sni } = input.zoneEgress
    const conf = effectiveZoneListener(policies, { section, kind: 'ZoneEgress', address: '192.168.0.1', port: 10002 })
    const listener = egressDraft(section, protocol, sni)
    const destination = input.zoneEgress.destination && caseDestination(input.zoneEgress.destination)
    const to = destination && effectiveOutbound(policies, destination, destinationLookup([destination]))
    const [chain] = listener.chains
    if (destination && chain) for (const plugin of active) plugin.egressChain?.({ destination, chain }, to?.byType[plugin.type])
    for (const plugin of active) plugin.zoneListener?.({ owner, section, kind: 'ZoneEgress', identity, listener }, conf.byType[plugin.type])
    return { problems: conf.problems, listener: listenerJson(listener), ...own({ zoneListeners: conf.byType }) }
  }
  if (input.passthrough !== undefined) {
    const conf = effectiveProxy(policies)
    const view = { ...passthroughDrafts(input.passthrough), owner }
    for (const plugin of active) plugin.passthrough?.(view, conf.byType[plugin.type])
    const listeners = view.outbound.map(({ listener }) => listenerJson(listener))
    return { problems: conf.problems, clusters: view.clusters.map(clusterJson), listeners, ...own({}) }
  }
  if (input.finished === true) return finishedOutcome(policies, active)
  if (input.zoneIngress !== undefined) {
    const { section, sni } = input.zoneIngress
    const conf = effectiveZoneListener(policies, { section, kind: 'ZoneIngress', address: '192.168.0.1', port: 10001 })
    const listener = emptyListener(`self_zoneingress_dp_${section}`)
    listener.chains.push(filterChain(tcpDraft('local', 'local'), { match: { transportProtocol: 'tls', serverNames: [sni] } }))
    for (const plugin of active)
      plugin.zoneListener?.({ owner, section, kind: 'ZoneIngress', identity, listener }, conf.byType[plugin.type])
    return { problems: conf.problems, listener: listenerJson(listener), ...own({ zoneListeners: conf.byType }) }
  }
  if (input.outbound === undefined) {
    assert.ok(input.owner, 'a case needs an inbound, an outbound, a zone listener or a proxy')
    return own({})
  }
  const destination = caseDestination(input.outbound.destination)
  const lookup = destinationLookup([destination, ...(input.outbound.others ?? []).map(caseDestination)])
  const conf = effectiveOutbound(policies, destination, lookup)
  const name = input.outbound.name ?? destination.id
  const listener = outboundDraft(name, conf.listener)
  const cluster = outboundCluster(name, destination, identity)
  for (const plugin of active) {
    const mine = conf.byType[plugin.type]
    plugin.outboundCluster?.(
      { destination, cluster, clientTags: plugin.sendsClientTags?.(destination, mine) === true ? clientTags : undefined },
      conf.forCluster.byType[plugin.type],
    )
    if (listener !== undefined)
      plugin.outboundListener?.(
        { name, destination, routes: conf.routes, tcpSplits: conf.tcpSplits, listener },
        conf.forListener.byType[plugin.type],
        plugin.share?.(owner, mine, whole[plugin.type]),
      )
  }
  return {
    problems: conf.problems,
    extraClusters: conf.extraDestinations.map((extra) => extra.name),
    ...(conf.ownCluster ? { cluster: clusterJson(cluster) } : {}),
    ...(listener === undefined ? {} : { listener: listenerJson(listener) }),
    ...(input.outbound.endpoints === undefined ? {} : { loadAssignment: assignmentJson(name, input.outbound, active, conf.byType) }),
    ...own({ outbounds: conf.byType }),
  }
}

/** Endpoints of other zones have priority 1, as they come from the mesh. */
function assignmentJson(
  name: string,
  { endpoints = [], client = { zone: 'zone-1', labels: {} } }: NonNullable<CaseInput['outbound']>,
  active: readonly PolicyPlugin[],
  byType: ConfByType,
): unknown {
  const placed = endpoints.map((endpoint) => ({
    port: 8080,
    priority: endpoint.zone === '' || endpoint.zone === client.zone ? 0 : 1,
    weight: 1,
    health: 'HEALTHY' as const,
    metadata: {},
    ...endpoint,
  }))
  const draft = loadAssignmentDraft(name, placed)
  for (const plugin of active) {
    const placement = plugin.placement?.(client, byType[plugin.type])
    if (placement !== undefined) plugin.loadAssignment?.(draft, placement)
  }
  settleOutOfReach(draft)
  const { decode, toJson } = codec('envoy.config.endpoint.v3.ClusterLoadAssignment')
  return toJson(decode(encodeLoadAssignment(draft)))
}

function finishedOutcome(policies: PolicySet, active: readonly PolicyPlugin[]): unknown {
  const { byType, problems } = effectiveProxy(policies)
  const inbound = inboundDrafts('80', 'http')
  inbound.listener.config.metadata = tagsMetadata({ 'kuma.io/workload': 'backend' })
  const destination = caseDestination({ name: 'backend' })
  const passthrough = passthroughDrafts(['ipv4'])
  const drafts = [
    { origin: 'inbound', listeners: [inbound.listener], clusters: [inbound.cluster] },
    {
      origin: 'outbound',
      listeners: [outboundDraft(destination.id, 'http')],
      clusters: [outboundCluster(destination.id, destination, undefined)],
    },
    { origin: 'transparent', listeners: passthrough.outbound.map(({ listener }) => listener), clusters: passthrough.clusters },
  ] as const
  const edited = <M>(message: M, edit: (plugin: PolicyPlugin, message: M, conf: unknown) => M | undefined): readonly M[] => {
    let current: M | undefined = message
    for (const plugin of active) if (current !== undefined) current = edit(plugin, current, byType[plugin.type])
    return current === undefined ? [] : [current]
  }
  const clusters = drafts.flatMap(({ origin, clusters: list }) =>
    list.flatMap((draft) =>
      edited(clusterMessage(draft), (plugin, message, conf) => (plugin.rawCluster ? plugin.rawCluster(message, origin, conf) : message)),
    ),
  )
  const listeners = drafts.flatMap(({ origin, listeners: list }) =>
    list.flatMap((draft) =>
      draft === undefined
        ? []
        : edited(listenerMessage(draft), (plugin, message, conf) =>
            plugin.rawListener ? plugin.rawListener(message, origin, conf) : message,
          ),
    ),
  )
  const added = active.flatMap((plugin) => plugin.added?.(byType[plugin.type]) ?? [])
  return {
    problems,
    clusters: [...clusters, ...added.flatMap((more) => more.clusters)].map(codecJson('envoy.config.cluster.v3.Cluster')),
    listeners: [...listeners, ...added.flatMap((more) => more.listeners)].map(codecJson('envoy.config.listener.v3.Listener')),
  }
}

function passthroughDrafts(families: readonly IpFamily[]): Omit<PassthroughView, 'owner'> {
  const outbound = families.map((family) => {
    const listener = emptyListener(passthroughName('outbound', family))
    listener.chains.push(filterChain(tcpDraft(listener.name, listener.name)))
    return { family, listener }
  })
  const names = families.flatMap((family) => [passthroughName('outbound', family), passthroughName('inbound', family)])
  return { outbound, clusters: names.map(originalDstCluster), ipv6: true }
}

function inboundDrafts(section: string, protocol: Protocol): { readonly listener: ListenerDraft; readonly cluster: ClusterDraft } {
  const name = `self_inbound_dp_${section}`
  const cluster = staticCluster(name, [socketAddress('192.168.0.1', 8080)])
  if (protocol !== 'tcp') cluster.httpProtocolOptions = explicitHttp(protocol === 'http' ? 1 : 2)
  const listener = emptyListener(name)
  listener.chains.push(filterChain(terminal(name, protocol)))
  return { listener, cluster }
}

function egressDraft(section: string, protocol: Protocol, sni: string): ListenerDraft {
  const listener = emptyListener(`self_zoneegress_dp_${section}`)
  const tls = downstreamTls({ identitySecret: identityView.secret, trustSecret: identityView.trustSecret, trustDomains: [] })
  listener.chains.push(
    filterChain(terminal('external', protocol), { name: 'external', match: { transportProtocol: 'tls', serverNames: [sni] }, tls }),
  )
  return listener
}

function outboundDraft(name: string, kind: 'http' | 'tcp' | 'none'): ListenerDraft | undefined {
  if (kind === 'none') return undefined
  const listener = emptyListener(name)
  listener.chains.push(filterChain(terminal(name, kind)))
  return listener
}

function outboundCluster(name: string, destination: DestinationFact, identity: IdentityView | undefined): ClusterDraft {
  const cluster = edsCluster(name)
  if (destination.kind !== 'MeshExternalService' || destination.protocol !== 'tcp') cluster.httpProtocolOptions = explicitHttp(2)
  if (identity !== undefined) {
    cluster.tls = upstreamTls({
      identitySecret: identity.secret,
      trustSecret: identity.trustSecret,
      sni: destination.sni ?? '',
      spiffeIds: destination.spiffeIds,
    })
  }
  return cluster
}

function emptyListener(name: string): ListenerDraft {
  return listenerDraft({ name, address: socketAddress('192.168.0.1', 80), direction: 'unspecified', bindToPort: true, statPrefix: false })
}

function terminal(name: string, protocol: Protocol) {
  if (protocol === 'tcp') return tcpDraft(name, name)
  return httpDraft({
    statPrefix: name,
    routeConfigName: name,
    virtualHost: name,
    routes: [routeTo({ prefix: '/', cluster: name, timeoutSeconds: 0 })],
  })
}

function clusterJson(draft: ClusterDraft): unknown {
  return codecJson('envoy.config.cluster.v3.Cluster')(clusterMessage(draft))
}

function listenerJson(draft: ListenerDraft): unknown {
  return codecJson('envoy.config.listener.v3.Listener')(listenerMessage(draft))
}

/** Through the wire form, so that the golden shows what Envoy reads. */
function codecJson<K extends keyof Messages>(name: K): (message: Messages[K]) => unknown {
  const { encode, decode, toJson } = codec(name)
  return (message) => toJson(decode(encode(message)))
}
