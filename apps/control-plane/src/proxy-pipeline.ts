// From facts to streams: a changed fact marks its proxy, a work queue builds the snapshot, endpoints and trust go straight into their cells.
import type { ProxyFacts } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import { type Collection, createWorkQueue, type NetChange, type WorkLane } from '@weft/graph'
import type { AdminAuthority, IdentityIssuer, Svid } from '@weft/identity'
import type { MeshFacts } from '@weft/mesh'
import { destinationLookup, type DestinationLookup } from '@weft/policy'
import {
  type AdminCertificate,
  createPolicyTrials,
  createProxyBuilder,
  type PolicyRejection,
  type ProxyBuilder,
  type Refusal,
  type RunningView,
} from '@weft/proxy'
import type { Delivery, DeltaStream, ProxySnapshot } from '@weft/xds'
import { createBuildPace } from './build-pace.ts'
import type { ProxyStreams } from './proxy-streams.ts'

export interface ProxyPipelineOptions {
  readonly mesh: MeshFacts
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly adminAuthority: AdminAuthority
  readonly streams: Pick<ProxyStreams, 'get'>
  /** Told which commit is not built yet. */
  readonly delivery: Pick<Delivery, 'hold' | 'release' | 'within'>
  /** Latest wins; called for every proxy with facts, connected or not. */
  readonly onSnapshot: (proxyKey: string, snapshot: ProxySnapshot) => void
  /** The proxy's facts are gone. */
  readonly onRemoved: (proxyKey: string) => void
}

export interface ProxyPipeline extends Component {
  readonly builder: ProxyBuilder
  /** Hands over the issuer once it exists: the two need each other. */
  useIssuer(issuer: IdentityIssuer): void
  /** To be called with every certificate the issuer makes. */
  onIssued(proxyKey: string, svid: Svid): void
  snapshot(proxyKey: string): ProxySnapshot | undefined
  /** To be called with what proxies accept and refuse. */
  onVerdict(proxyKey: string, stream: Pick<DeltaStream, 'runs' | 'settled' | 'rejectedVersions'>, refusal?: Refusal): void
  /** Changes of policies that a proxy does not have because Envoy refused them. */
  rejections(proxyKey: string): readonly PolicyRejection[]
  /** The facts a proxy is configured by: its own without those changes. */
  effectiveFacts(facts: ProxyFacts): ProxyFacts
  /** Resolves when no snapshot is being built. */
  idle(): Promise<void>
}

const onTrial = 'policy on trial'

/** Kinds of policies whose effect depends on destinations other than the proxy's own outbounds. */
const routeKinds = ['MeshHTTPRoute', 'MeshTCPRoute'] as const

/** Makes the pipeline; it follows the facts from `start` on. The graph must be running by then. */
export function createProxyPipeline(options: ProxyPipelineOptions): ProxyPipeline {
  const { mesh, log, metrics, adminAuthority, delivery } = options
  const lookups = new Map<string, DestinationLookup>()
  const adminCertificates = new Map<string, AdminCertificate>()
  const snapshots = new Map<string, ProxySnapshot>()
  const detach: (() => void)[] = []
  let issuer: IdentityIssuer | undefined

  const builder = createProxyBuilder({
    log: log.child({ component: 'proxy.build' }),
    metrics,
    destinations: (name) => lookupOf(lookups, mesh, name),
    adminCertificate: (facts) => adminCertificates.get(facts.address),
    onProblem: (problem) => log.warn({ component: 'proxy.build', ...problem }, 'part of a proxy configuration could not be built'),
  })
  const trials = createPolicyTrials()
  /** Proxies that wait to be built, with the commit that each waits for since. */
  const unbuilt = new Map<string, number>()
  const letGo = (key: string): void => {
    const since = unbuilt.get(key)
    unbuilt.delete(key)
    if (since !== undefined) delivery.release(since)
  }
  /** What is committed from here on is for the next build. */
  const build = (key: string): void => {
    const since = unbuilt.get(key)
    unbuilt.delete(key)
    try {
      const facts = mesh.proxyFacts.get(key)
      if (!facts) return
      let snapshot = builder.build(trials.apply(facts))
      while (trials.isUnchanged(key, snapshot)) snapshot = builder.build(trials.apply(facts))
      if (snapshots.get(key) === snapshot) return
      snapshots.set(key, snapshot)
      const post = (): void => options.onSnapshot(key, snapshot)
      if (since === undefined) post()
      else delivery.within(since, post)
    } finally {
      if (since !== undefined) delivery.release(since)
    }
  }
  const queue = createWorkQueue<string>({
    name: 'proxy.assembly',
    log: log.child({ component: 'proxy.assembly' }),
    clock: options.clock,
    metrics,
    concurrency: 8,
    run: async (key) => {
      const address = mesh.proxyFacts.get(key)?.address
      if (address !== undefined && !adminCertificates.has(address)) {
        const { certificatePem, privateKeyPem } = await adminAuthority.server(address).catch((error: unknown) => {
          // nobody builds it before it changes again
          letGo(key)
          throw error
        })
        adminCertificates.set(address, { certificatePem, keyPem: privateKeyPem, clientCaPem: adminAuthority.caPem })
      }
      build(key)
      if (!mesh.proxyFacts.get(key)) return
      // an attempt that changes nothing the proxy runs is accepted without a word of it
      const stream = options.streams.get(key)
      if (stream) accepted(key, stream)
    },
  })
  const expect = (key: string): void => {
    if (!unbuilt.has(key)) unbuilt.set(key, delivery.hold())
  }
  const mark = (key: string, reason: string, lane: WorkLane): void => {
    expect(key)
    queue.mark(key, reason, lane)
  }
  const accepted = (key: string, stream: RunningView): void => {
    const before = trials.rejections(key)
    if (trials.accepted(key, stream)) mark(key, onTrial, 'update')
    for (const { policy, message, resources } of trials.rejections(key)) {
      if (before.some((known) => known.policy === policy)) continue
      log.warn(
        { component: 'proxy.build', proxy: key, type: policy.type, name: policy.name, mesh: policy.mesh, resources, reason: message },
        'proxy goes on without a policy change that its Envoy refuses',
      )
    }
  }
  const pace = createBuildPace(options.clock, (key) => queue.mark(key, 'more changes', 'update'))
  const take = (key: string, facts: ProxyFacts | undefined, reason: string): void => {
    issuer?.ensure(key, facts?.identity)
    if (facts) {
      expect(key)
      if (!snapshots.has(key)) {
        pace.joined()
        queue.mark(key, reason, 'first')
      } else if (pace.mayGo(key)) queue.mark(key, reason, 'update')
      return
    }
    letGo(key)
    queue.drop(key)
    pace.drop(key)
    builder.remove(key)
    trials.forget(key)
    snapshots.delete(key)
    options.onRemoved(key)
  }
  const onIssued = (proxyKey: string, svid: Svid): void => {
    builder.setIdentity(proxyKey, { certChainPem: svid.certificateChainPem, keyPem: svid.privateKeyPem, name: svid.kri })
  }

  return {
    name: 'proxy-pipeline',
    builder,
    useIssuer: (given) => {
      issuer = given
    },
    onIssued,
    snapshot: (key) => snapshots.get(key),
    onVerdict: (key, stream, refusal) => {
      if (!refusal) accepted(key, stream)
      else if (trials.refused(key, refusal, (name) => stream.rejectedVersions(refusal.type).get(name))) mark(key, onTrial, 'update')
    },
    rejections: (key) => trials.rejections(key),
    effectiveFacts: (facts) => trials.apply(facts),
    idle: async () => {
      // what waits for its turn is not built yet
      pace.release()
      await queue.idle()
    },
    start: async () => {
      detach.push(
        follow(mesh.loadAssignments, (id, fact) => (fact ? builder.setLoadAssignment(fact) : builder.removeLoadAssignment(id))),
        follow(mesh.ingressAssignments, (id, fact) => (fact ? builder.setIngressAssignment(fact) : builder.removeIngressAssignment(id))),
        follow(mesh.trust, (_, fact) => {
          if (fact) builder.setTrust(fact)
        }),
        mesh.destinations.onCommit((changes, info) => {
          const meshes = new Set(changes.map(({ before, after }) => (after ?? before)?.mesh ?? ''))
          for (const name of meshes) lookups.delete(name)
          for (const key of proxiesWithRoutes(mesh, meshes)) mark(key, info.reason, 'update')
        }),
        mesh.proxyFacts.onCommit((changes, info) => {
          for (const { key, after } of changes) take(key, after, info.reason)
        }),
      )
      for (const [key, facts] of mesh.proxyFacts.entries()) take(key, facts, 'start')
    },
    stop: async () => {
      for (const end of detach.splice(0)) end()
      pace.stop()
      await queue
        .stop()
        .catch((error: unknown) => log.warn({ component: 'proxy.assembly', err: messageOf(error) }, 'queue did not stop cleanly'))
    },
  }
}

/** Feeds what is there and every later change; returns the unsubscriber. */
function follow<V>(collection: Collection<V>, apply: (key: string, value: V | undefined) => void): () => void {
  for (const [key, value] of collection.entries()) apply(key, value)
  return collection.onCommit((changes: readonly NetChange<V>[]) => {
    for (const { key, after } of changes) apply(key, after)
  })
}

function lookupOf(lookups: Map<string, DestinationLookup>, mesh: MeshFacts, name: string): DestinationLookup {
  let lookup = lookups.get(name)
  if (!lookup) {
    const own = [...mesh.destinations.entries()].map(([, destination]) => destination).filter((destination) => destination.mesh === name)
    lookup = destinationLookup(own)
    lookups.set(name, lookup)
  }
  return lookup
}

function* proxiesWithRoutes(mesh: MeshFacts, meshes: ReadonlySet<string>): Iterable<string> {
  for (const [key, facts] of mesh.proxyFacts.entries()) {
    if (meshes.has(facts.mesh) && routeKinds.some((kind) => facts.policies.byType.has(kind))) yield key
  }
}
