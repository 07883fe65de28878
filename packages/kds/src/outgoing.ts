// What one side sends: which types in which order, which resources, and how each is packed. A resource is encoded once per packing, however
// many peers get it.
import { hash } from 'node:crypto'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { kdsEncoding, type KdsResource, type Labels, type Resource, type ResourceDescriptor } from '@weft/resources'
import { frameResource } from './wire.ts'

/** An encoded resource. Shared between all streams that send it. */
export interface Encoded {
  /** `<name>.<mesh>`, with the dot also for global scope (contract/kds.md section 5). */
  readonly name: string
  /** Hex SHA-256 of the KumaResource, of its content alone. */
  readonly version: string
  readonly frame: Uint8Array
}

/** The sending side of one stream. */
export interface Outgoing {
  /** Types this side sends, in the order in which first lists should go. */
  readonly types: readonly string[]
  /** Type whose first list must be sent before that of `type`. */
  after(type: string): string | undefined
  /** The resource as this peer gets it, or undefined when it does not get it. Never throws. */
  encode(resource: Resource): Encoded | undefined
  /** A newer value took its place: what was made of this one is let go, however long others keep the value. */
  forget(replaced: Resource): void
}

/** Packs resources and remembers the result for as long as the resource value lives. */
export interface Encoder {
  /** `packing` names the mapping: equal names must give equal results for the same resource. Undefined when it cannot be encoded. */
  encode(kind: ResourceDescriptor, resource: Resource, packing: string): Encoded | undefined
  /** Lets go what was made of a value in all packings. */
  forget(resource: Resource): void
}

/** How resources are mapped. */
export interface EncoderOptions {
  readonly log: Logger
  map(kind: ResourceDescriptor, resource: Resource, packing: string): KdsResource | undefined
  /** Last hand on the bytes of the KumaResource. */
  finish?(kind: ResourceDescriptor, resource: Resource, packed: { readonly packing: string; readonly bytes: Uint8Array }): Uint8Array
  /** Resources of this packing carry the change that made them. It is no part of their content version. */
  stamped?(packing: string): boolean
}

/** An encoder with this mapping. A resource that cannot be encoded is logged once and left out. */
export function createEncoder({ log, map, finish, stamped }: EncoderOptions): Encoder {
  const cache = new WeakMap<Resource, Map<string, Encoded | undefined>>()
  const pack = (kind: ResourceDescriptor, resource: Resource, packing: string): Encoded | undefined => {
    try {
      const outgoing = map(kind, resource, packing)
      if (!outgoing) return undefined
      const encode = kdsEncoding(kind, outgoing)
      const bytes = encode()
      const content = finish ? finish(kind, resource, { packing, bytes }) : bytes
      if (!stamped?.(packing)) return framed(outgoing, content, content)
      return framed(outgoing, content, encode(String(resource.version)))
    } catch (error) {
      log.error({ type: kind.type, mesh: resource.mesh, name: resource.name, err: messageOf(error) }, 'kds resource cannot be encoded')
      return undefined
    }
  }
  return {
    encode: (kind, resource, packing) => {
      let packings = cache.get(resource)
      if (!packings) cache.set(resource, (packings = new Map()))
      if (!packings.has(packing)) packings.set(packing, pack(kind, resource, packing))
      return packings.get(packing)
    },
    forget: (resource) => void cache.delete(resource),
  }
}

/** The version is that of `content`, whatever else `bytes` say. */
function framed(outgoing: KdsResource, content: Uint8Array, bytes: Uint8Array): Encoded {
  const version = hash('sha256', content, 'hex')
  const name = `${outgoing.name}.${outgoing.mesh}`
  return { name, version, frame: frameResource(name, version, bytes) }
}

/** Labels without those whose key has one of the prefixes. */
export function withoutPrefixes(labels: Labels, prefixes: readonly string[]): Labels {
  if (prefixes.length === 0) return labels
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !prefixes.some((prefix) => key.startsWith(prefix))))
}

/** `types` with the leading ones first, the rest in the order given. */
export function inOrder(types: readonly string[], leading: readonly string[]): readonly string[] {
  return [...leading.filter((type) => types.includes(type)), ...types.filter((type) => !leading.includes(type))]
}
