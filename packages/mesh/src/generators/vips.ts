// Virtual IPs: a stable function of the destination's KRI, so that the same destination gets the same address in every zone and after a restart with
// an empty store. A stored address wins; a taken one is probed past; a freed one rests before another destination gets it.
import { createHash } from 'node:crypto'
import type { Collection, Graph } from '@weft/graph'
import { keyText, kriText, nameKey, type Registry, type Resource, type ResourceKey } from '@weft/resources'
import type { MeshSettings } from '../settings.ts'
import { destinationTypes, storedVips } from './destination-resources.ts'
import { type Draft, fieldsOf, type GeneratedPart } from './generated-part.ts'
import type { RestingVips } from './resting-vips.ts'

/** An IPv4 range as numbers. */
export interface AddressRange {
  readonly base: number
  readonly size: number
}

interface Holder {
  readonly key: string
  readonly kri: string
  readonly creationTime: string
  readonly vips: readonly string[]
}

export interface VipPartOptions {
  readonly graph: Graph
  readonly of: (type: string) => Collection<Resource>
  readonly registry: Registry
  readonly settings: MeshSettings
  readonly resting: RestingVips
}

/** Throws a plain Error for a range that is not an IPv4 CIDR: a setting that was not checked. */
export function parseRange(cidr: string): AddressRange {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr)
  const [a = 256, b = 256, c = 256, d = 256, bits = 33] = (match ?? []).slice(1).map(Number)
  if (!match || Math.max(a, b, c, d) > 255 || bits > 30) throw new Error(`not an IPv4 range: ${cidr}`)
  const size = 2 ** (32 - bits)
  const address = ((a * 256 + b) * 256 + c) * 256 + d
  return { base: address - (address % size), size }
}

/** The addresses to try for a destination, in order: by the hash of its KRI, then the following ones. The first and last of the range stay free. */
export function* candidateVips(kri: string, range: AddressRange): Iterable<string> {
  const usable = range.size - 2
  const start = createHash('sha256').update(kri).digest().readUIntBE(0, 6) % usable
  for (let i = 0; i < usable; i++) yield formatAddress(range.base + 1 + ((start + i) % usable))
}

export function createVipPart(options: VipPartOptions): GeneratedPart {
  const { graph, registry, settings, resting } = options
  const ranges = new Map([
    ['MeshService', parseRange(settings.cidrs.meshService)],
    ['MeshExternalService', parseRange(settings.cidrs.meshExternalService)],
    ['MeshMultiZoneService', parseRange(settings.cidrs.meshMultiZoneService)],
  ])
  const parts = destinationTypes.map((type) =>
    graph.derive({ name: `vipHolders.${type}`, from: options.of(type) }, (_, resource) => {
      const vips = storedVips(resource)
      const short = registry.get(type)?.short ?? ''
      return vips.length === 0
        ? []
        : [
            [
              keyText(resource),
              { key: keyText(resource), kri: kriText(short, resource), creationTime: resource.creationTime, vips },
            ] as const,
          ]
    }),
  )
  const holders = graph.union<Holder>('vipHolders', parts)
  const byAddress = graph.index('vipHoldersByAddress', holders, (holder) => holder.vips)
  /** Given out but not seen in the store yet. */
  const pending = new Map<string, string>()
  holders.onCommit((changes) => {
    for (const { before, after } of changes) {
      for (const ip of after?.vips ?? []) pending.delete(ip)
      for (const ip of before?.vips ?? []) if (!after?.vips.includes(ip) && before) resting.rest(ip, before.kri)
    }
  })

  const isFree = (ip: string, key: string, kri: string): boolean => {
    if (byAddress.lookup(ip).some((holder) => holder.key !== key)) return false
    const owner = pending.get(ip)
    if (owner !== undefined && owner !== key) return false
    return resting.isFree(ip, kri)
  }

  const allocate = (key: ResourceKey, draft: Draft, range: AddressRange): string | undefined => {
    const text = keyText(key)
    const kri = kriText(registry.get(key.type)?.short ?? '', { ...key, labels: draft.labels })
    for (const ip of candidateVips(kri, range)) {
      if (!isFree(ip, text, kri)) continue
      pending.set(ip, text)
      return ip
    }
    return undefined
  }

  return {
    name: 'vips',
    types: destinationTypes,
    takeOver: () => {
      pending.clear()
      resting.takeOver()
    },
    apply: (key, draft) => {
      const range = ranges.get(key.type)
      // host names follow from what is stored: a service that had its address before them would be built into every proxy twice
      if (options.of(key.type).get(nameKey(key)) === undefined) return draft
      if (!draft || !range || storedVips({ type: key.type, status: draft.status }).length > 0) return draft
      const ip = allocate(key, draft, range)
      if (ip === undefined) return draft
      const status = fieldsOf(draft.status)
      return { ...draft, status: key.type === 'MeshExternalService' ? { ...status, vip: { ip } } : { ...status, vips: [{ ip }] } }
    },
  }
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}
