// What is compared between places, and how a resource of the REST API is read. Independent of the product's own digests.
import { createHash } from 'node:crypto'
import { type Key, keyOf, type Place } from './history.ts'

type Json = Readonly<Record<string, unknown>>

/** A resource as one place lists it. */
export interface Listed {
  readonly key: Key
  readonly digest: string
  /** The number a writer put into it, if any. */
  readonly value: number | undefined
  /** Label `kuma.io/zone`; '' when there is none. */
  readonly zone: string
  /** Who made it, as far as the resource itself shows. */
  readonly author: string | undefined
}

/** Kinds that are watched: plural in paths, and which way they travel. */
export const kinds: readonly {
  readonly type: string
  readonly path: string
  readonly down: boolean
  readonly up: boolean
  readonly across: boolean
}[] = [
  { type: 'Mesh', path: 'meshes', down: true, up: false, across: false },
  { type: 'MeshIdentity', path: 'meshidentities', down: true, up: true, across: false },
  { type: 'MeshMultiZoneService', path: 'meshmultizoneservices', down: true, up: false, across: false },
  { type: 'MeshTimeout', path: 'meshtimeouts', down: true, up: true, across: false },
  { type: 'MeshTrafficPermission', path: 'meshtrafficpermissions', down: true, up: true, across: false },
  { type: 'HostnameGenerator', path: 'hostnamegenerators', down: true, up: true, across: false },
  { type: 'MeshService', path: 'meshservices', down: false, up: true, across: true },
  { type: 'MeshZoneAddress', path: 'meshzoneaddresses', down: false, up: true, across: true },
  { type: 'Dataplane', path: 'dataplanes', down: false, up: true, across: false },
  { type: 'Workload', path: 'workloads', down: false, up: true, across: false },
]

/** Whether a resource is due at a place that is not its origin. */
export function travels(key: Key, to: Place): boolean {
  const [type, , zone] = key.split('|')
  const kind = kinds.find((each) => each.type === type)
  if (!kind) return false
  if (zone === '') return kind.down
  return to === 'global' ? kind.up : kind.across
}

/** Label under which the suite's own resources name who made them. */
export const authorLabel = 'chaos.test/author'

/** Reads one item of a list at a place. */
export function listed(item: Json, at: Place): Listed {
  const labels = isObject(item['labels']) ? item['labels'] : {}
  const type = String(item['type'])
  const mesh = String(item['mesh'] ?? '')
  const zoneLabel = String(labels['kuma.io/zone'] ?? '')
  // at its own zone a resource may be unlabelled; a copy always has the label of its zone
  const isOwn = at !== 'global' && labels['kuma.io/origin'] !== 'global'
  const zone = zoneLabel === '' && isOwn ? at : zoneLabel
  const name = String(labels['kuma.io/display-name'] ?? item['name'])
  const { creationTime: _c, modificationTime: _m, kri: _k, snis: _s, status: _t, name: _n, labels: _l, ...content } = item
  const others = Object.fromEntries(
    Object.entries(labels).filter(([label]) => !['kuma.io/origin', 'kuma.io/display-name', 'kuma.io/zone', 'kuma.io/env'].includes(label)),
  )
  const author = labels[authorLabel]
  return {
    key: keyOf(type, mesh, zone, name),
    digest: createHash('sha256').update(canonical({ content, others })).digest('hex'),
    value: valueOf(type, item['spec']),
    zone: zoneLabel,
    author: typeof author === 'string' ? author : undefined,
  }
}

/** The number a writer of the suite put into a spec. */
export function valueOf(type: string, spec: unknown): number | undefined {
  if (!isObject(spec)) return undefined
  if (type === 'MeshTimeout') {
    const first: unknown = Array.isArray(spec['to']) ? spec['to'][0] : undefined
    const conf = isObject(first) && isObject(first['default']) ? first['default'] : {}
    return milliseconds(conf['connectionTimeout'])
  }
  if (type !== 'MeshService') return undefined
  const port: unknown = Array.isArray(spec['ports']) ? spec['ports'][0] : undefined
  const target = isObject(port) ? port['targetPort'] : undefined
  return typeof target === 'number' ? target : undefined
}

function milliseconds(text: unknown): number | undefined {
  const found = typeof text === 'string' ? /^(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?$/.exec(text) : null
  return found ? Math.round(Number(found[1] ?? 0) * 60_000 + Number(found[2] ?? 0) * 1000 + Number(found[3] ?? 0)) : undefined
}

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (!isObject(value)) return JSON.stringify(value) ?? 'null'
  return `{${Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
    .join()}}`
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
