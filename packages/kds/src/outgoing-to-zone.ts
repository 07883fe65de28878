// What global sends to one zone: the filter of contract/kds.md section 9.4 and the mapping that gives every zone the same bytes.
import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { Logger } from '@weft/foundation/log'
import {
  computePolicyRole,
  displayName,
  isSentToZones,
  isSharedAcrossZones,
  type KdsResource,
  kdsName,
  labelKeys,
  type Registry,
  type Resource,
  type ResourceDescriptor,
  syncBits,
  syncFlags,
} from '@weft/resources'
import type { Store } from '@weft/store'
import { nodeFeatures } from './features.ts'
import { clusterIdName } from './global-pin.ts'
import { member, text } from './json.ts'
import { createEncoder, type Encoded, type Encoder, inOrder, type Outgoing, withoutPrefixes } from './outgoing.ts'
import { bytesForSecondGeneration, specForSecondGeneration } from './second-generation.ts'

const privateGlobalSecrets = new Set(['envoy-admin-ca', 'admin-user-token', 'inter-cp-ca', 'user-token-revocations'])
const zoneSigningKey = /^zone-token-signing-key(-[0-9]+)?$/
const leadingTypes = ['Mesh', 'Config', 'GlobalSecret', 'Secret', 'HostnameGenerator']

/** The zone at the other end of a stream. */
export interface ZoneTarget {
  readonly zone: string
  /** Features in the metadata of its node. */
  readonly features: ReadonlySet<string>
  readonly secondGeneration: boolean
}

/** What decides what global sends. */
export interface GlobalOutgoingOptions {
  readonly registry: Registry
  readonly store: Store
  readonly log: Logger
  readonly systemNamespace: string
  /** Label prefixes that stay here. */
  readonly skipPrefixes: readonly string[]
}

/** What this global sends. */
export interface GlobalOutgoing {
  toZone(target: ZoneTarget): Outgoing
}

/** One value for all zones, so that they share encoded resources. */
export function createGlobalOutgoing(options: GlobalOutgoingOptions): GlobalOutgoing {
  const { registry, store } = options
  const encoder: Encoder = createEncoder({
    log: options.log,
    map: (kind, resource, packing) => mapForZone(kind, resource, { packing, ...options }),
    finish: (kind, resource, { packing, bytes }) =>
      isSecondGeneration(packing) ? bytesForSecondGeneration(kind, resource.spec, bytes) : bytes,
    stamped: (packing) => packing.endsWith(stampedMark),
  })
  const types = inOrder(
    registry.all.filter(isSentToZones).map((kind) => kind.type),
    leadingTypes,
  )
  return {
    toZone: (target) => ({
      types,
      after: (type) => (type !== 'Mesh' && registry.get(type)?.scope === 'Mesh' ? 'Mesh' : undefined),
      encode: (resource): Encoded | undefined => {
        const kind = registry.get(resource.type)
        if (!kind || !goesToZone(kind, resource, { target, store, systemNamespace: options.systemNamespace })) return undefined
        const hashed = kind.hashedName && target.features.has(nodeFeatures.hashSuffix)
        return encoder.encode(kind, resource, `${hashed ? 'hashed' : 'plain'}${formOf(target)}`)
      },
      forget: encoder.forget,
    }),
  }
}

const secondGenerationMark = ' 2'
const stampedMark = ' seq'

function formOf({ secondGeneration, features }: ZoneTarget): string {
  if (secondGeneration) return secondGenerationMark
  return features.has(nodeFeatures.originSeq) ? stampedMark : ''
}

function isSecondGeneration(packing: string): boolean {
  return packing.endsWith(secondGenerationMark)
}

interface FilterContext {
  readonly target: ZoneTarget
  readonly store: Pick<Store, 'get'>
  readonly systemNamespace: string
}

/** Whether this zone gets the resource at all. */
export function goesToZone(kind: ResourceDescriptor, resource: Resource, context: FilterContext): boolean {
  const { labels } = resource
  if (labels[labelKeys.kdsSync] === 'disabled') return false
  if (kind.type === 'Config' && resource.name !== clusterIdName) return false
  if (kind.type === 'GlobalSecret' && isPrivateGlobalSecret(resource.name)) return false
  if (kind.type === 'HostnameGenerator' && selectsMultiZone(resource.spec) && !context.target.features.has(nodeFeatures.multiZoneHostnames))
    return false
  const origin = labels[labelKeys.origin] || 'global'
  if (origin === 'global') return (syncBits(kind) & toZones) === toZones
  return goesAcross(kind, resource, context)
}

const toZones = syncFlags.consumedByZone | syncFlags.providedByGlobal

/** Resources of one zone for another one. */
function goesAcross(kind: ResourceDescriptor, resource: Resource, { target, store, systemNamespace }: FilterContext): boolean {
  const owner = resource.labels[labelKeys.zone]
  if (!owner || owner === target.zone || !isZoneEnabled(owner, store)) return false
  if (!isSharedAcrossZones(kind)) return false
  return !kind.policy || (target.features.has(nodeFeatures.producerPolicies) && isProducerPolicy(resource, systemNamespace))
}

/** A Zone that cannot be found counts as enabled, as does one that does not say. */
export function isZoneEnabled(zone: string, store: Pick<Store, 'get'>): boolean {
  return member(store.get({ type: 'Zone', mesh: '', name: zone })?.spec, 'enabled') !== false
}

/** The label alone proves nothing, so the role is computed again from what the policy says. */
function isProducerPolicy({ labels, spec }: Resource, systemNamespace: string): boolean {
  if (labels[labelKeys.policyRole] !== 'producer') return false
  return computePolicyRole(spec, { namespace: labels[labelKeys.namespace] ?? '', systemNamespace }) === 'producer'
}

function isPrivateGlobalSecret(name: string): boolean {
  return privateGlobalSecrets.has(name) || name.startsWith('user-token-signing-key')
}

function selectsMultiZone(spec: unknown): boolean {
  return member(member(spec, 'selector'), 'meshMultiZoneService') !== undefined
}

interface MapContext {
  readonly packing: string
  readonly systemNamespace: string
  readonly skipPrefixes: readonly string[]
}

/** Origin, zone token key, status, name: in the peers' order. */
function mapForZone(kind: ResourceDescriptor, resource: Resource, context: MapContext): KdsResource | undefined {
  const labels = withoutPrefixes({ ...resource.labels, [labelKeys.origin]: 'global' }, context.skipPrefixes)
  const mapped: KdsResource = {
    name: withoutSuffix(resource.name, `.${context.systemNamespace}`),
    mesh: resource.mesh,
    labels,
    spec: isSecondGeneration(context.packing) ? specForSecondGeneration(kind, resource.spec) : resource.spec,
    // the peer fills a status of its own; only kinds with one carry it
    ...(kind.status ? { status: {} } : {}),
  }
  if (kind.type === 'GlobalSecret' && zoneSigningKey.test(resource.name)) return publicZoneKey(mapped)
  if (!context.packing.startsWith('hashed')) return mapped
  return { ...mapped, name: kdsName(mapped), labels: { ...labels, [labelKeys.displayName]: displayName(mapped) } }
}

/** Zones verify zone tokens but must not be able to issue them (contract/kds.md section 3.4). Throws when the key cannot be read. */
function publicZoneKey(secret: KdsResource): KdsResource {
  const pem = Buffer.from(text(secret.spec, 'data'), 'base64')
  const key = createPublicKey(
    createPrivateKey(pem.includes('-----BEGIN') ? pem.toString('utf8') : { key: pem, format: 'der', type: 'pkcs1' }),
  )
  const exported = key.export({ type: key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'spki', format: 'pem' })
  return {
    ...secret,
    name: secret.name.replace('zone-token-signing-key', 'zone-token-signing-public-key'),
    labels: { ...secret.labels, [labelKeys.displayName]: secret.name },
    spec: { data: Buffer.from(exported).toString('base64') },
  }
}

function withoutSuffix(name: string, suffix: string): string {
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
}
