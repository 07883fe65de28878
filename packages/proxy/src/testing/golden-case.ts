// Golden cases: one JSON file describes a proxy and its surroundings, its neighbour holds the whole Envoy configuration that comes out.
import { readdirSync, readFileSync } from 'node:fs'
import type {
  DestinationFact,
  EndpointFact,
  ExternalTargetFact,
  ExternalTlsFact,
  InboundFact,
  OutboundFact,
  ProxyMetadata,
  ZoneListenerFact,
} from '@weft/facts'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { destinationLookup } from '@weft/policy'
import type { ProxySnapshot } from '@weft/xds'
import { createProxyBuilder, type ProxyBuilder } from '../builder.ts'
import type { AdminCertificate } from '../generators/admin.ts'
import type { BuildProblem } from '../problem.ts'
import {
  sampleDestination,
  sampleFacts,
  sampleIdentity,
  sampleInbound,
  sampleMetadata,
  sampleOutbound,
  samplePolicies,
  samplePolicy,
  sampleRedirect,
  sampleTrust,
} from './sample-facts.ts'

const folder = new URL('../cases/', import.meta.url)

interface CaseInput {
  readonly about: string
  readonly proxy?: Partial<ProxyMetadata>
  readonly redirected?: boolean
  /** Envoy's own admin has no Unix socket. */
  readonly adminOnTcp?: boolean
  readonly identity?: boolean
  readonly gateway?: boolean
  readonly inbounds?: readonly Partial<InboundFact>[]
  readonly zoneListeners?: readonly ZoneListenerFact[]
  readonly destinations?: Readonly<Record<string, Partial<DestinationFact> & { readonly endpoints?: readonly Partial<EndpointFact>[] }>>
  readonly outbounds?: readonly (Partial<OutboundFact> & { readonly to: string })[]
  readonly ingress?: readonly string[]
  readonly egress?: readonly (Omit<ExternalTargetFact, 'destination' | 'tls' | 'problem'> &
    Partial<ExternalTargetFact> & { readonly to: string })[]
  readonly policies?: readonly { readonly type: string; readonly name: string; readonly spec: unknown }[]
  readonly dns?: readonly { readonly name: string; readonly ips: readonly string[] }[]
}

/** A case that was built. */
export interface BuiltCase {
  readonly builder: ProxyBuilder
  readonly proxyKey: string
  readonly snapshot: ProxySnapshot
  readonly problems: readonly BuildProblem[]
}

/** PEM texts a case is built with. */
export interface CaseCertificates {
  readonly admin: AdminCertificate
  readonly roots: string
  readonly certChainPem: string
  readonly keyPem: string
}

/** Texts in the places of certificates: enough for everything but Envoy itself. */
export const placeholderCertificates: CaseCertificates = {
  admin: { certificatePem: 'admin certificate', keyPem: 'admin key', clientCaPem: 'admin roots' },
  roots: 'roots',
  certChainPem: 'certificate',
  keyPem: 'key',
}

/** Names of all cases. */
export function caseNames(): readonly string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.input.json'))
    .map((file) => file.slice(0, -'.input.json'.length))
    .sort()
}

/** Where the expected configuration of a case is. */
export function goldenFile(name: string): URL {
  return new URL(`${name}.golden.json`, folder)
}

/** Builds a case. */
export function buildCase(name: string, certificates: CaseCertificates): BuiltCase {
  // The files are part of this package; a wrong shape shows as a failing case.
  const input = JSON.parse(readFileSync(new URL(`${name}.input.json`, folder), 'utf8')) as CaseInput
  const destinations = new Map<string, DestinationFact>()
  const problems: BuildProblem[] = []
  const builder = createProxyBuilder({
    log: silentLogger,
    metrics: createMetrics(),
    destinations: () => destinationLookup(destinations.values()),
    adminCertificate: () => certificates.admin,
    onProblem: (problem) => problems.push(problem),
  })
  for (const [key, { endpoints, ...override }] of Object.entries(input.destinations ?? {})) {
    const destination = sampleDestination(key, override)
    destinations.set(key, destination)
    const fact = { id: destination.id, endpoints: (endpoints ?? []).map(endpointOf) }
    builder.setLoadAssignment(fact)
    builder.setIngressAssignment(fact)
  }
  const named = (key: string): DestinationFact => {
    const found = destinations.get(key)
    if (found === undefined) throw new Error(`case ${name} names no destination ${key}`)
    return found
  }
  const identity = input.identity === true ? sampleIdentity('client') : undefined
  const facts = sampleFacts('client', {
    gateway: input.gateway === true,
    proxy: sampleMetadata({
      ...(input.redirected === true ? { transparentProxy: sampleRedirect } : {}),
      ...(input.adminOnTcp === true ? { adminSocketPath: undefined } : {}),
      ...input.proxy,
    }),
    inbounds: (input.inbounds ?? []).map(sampleInbound),
    zoneListeners: input.zoneListeners ?? [],
    outbounds: (input.outbounds ?? []).map(({ to, ...override }) => sampleOutbound(named(to), override)),
    ingressDestinations: (input.ingress ?? []).map(named),
    egressTargets: (input.egress ?? []).map(({ to, ...target }) => ({
      problem: undefined,
      ...target,
      tls: target.tls && withRoots(target.tls, certificates.roots),
      destination: named(to),
    })),
    identity,
    trust: identity === undefined ? undefined : sampleTrust(certificates.roots),
    policies: samplePolicies(...(input.policies ?? []).map((policy) => samplePolicy(policy.type, policy.name, policy.spec))),
    dns: input.dns ?? [],
  })
  if (identity !== undefined) {
    builder.setIdentity(facts.key, { name: identity.kri, certChainPem: certificates.certChainPem, keyPem: certificates.keyPem })
  }
  const snapshot = builder.build(facts)
  return { builder, proxyKey: facts.key, snapshot, problems }
}

/** Roots that a case gives inline are those the case is built with. */
function withRoots(tls: ExternalTlsFact, pem: string): ExternalTlsFact {
  return tls.ca === undefined || tls.ca === 'system' ? tls : { ...tls, ca: { pem } }
}

function endpointOf(override: Partial<EndpointFact>): EndpointFact {
  return { address: '10.1.0.9', port: 8080, zone: 'zone-1', priority: 0, weight: 1, health: 'HEALTHY', metadata: {}, ...override }
}
