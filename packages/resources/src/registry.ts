// All kinds of a control plane. Built once, frozen, passed as a value; every lookup is by Map, so hostile names find nothing.
import type { ResourceDescriptor } from './descriptor.ts'

export interface Registry {
  /** Sorted by type. */
  readonly all: readonly ResourceDescriptor[]
  readonly policies: readonly ResourceDescriptor[]
  readonly destinations: readonly ResourceDescriptor[]
  get(type: string): ResourceDescriptor | undefined
  byPath(path: string): ResourceDescriptor | undefined
  byShort(short: string): ResourceDescriptor | undefined
  /** By singular, plural, alias, short name or REST path, in any case. */
  byCliName(name: string): ResourceDescriptor | undefined
}

/** Throws a plain Error when two descriptors claim the same name: a programming error. */
export function createRegistry(descriptors: readonly ResourceDescriptor[]): Registry {
  const types = new Map<string, ResourceDescriptor>()
  const paths = new Map<string, ResourceDescriptor>()
  const shorts = new Map<string, ResourceDescriptor>()
  const cliNames = new Map<string, ResourceDescriptor>()
  const orders = new Map<string, ResourceDescriptor>()
  for (const kind of descriptors) {
    claim(types, kind.type, kind)
    for (const path of [kind.rest?.path, ...(kind.rest?.aliases ?? [])]) if (path !== undefined) claim(paths, path, kind)
    if (kind.short !== undefined) claim(shorts, kind.short, kind)
    if (kind.policy !== undefined) claim(orders, `order ${kind.policy.order}`, kind)
    const names = [kind.cli?.one, kind.cli?.many, ...(kind.cli?.aliases ?? []), kind.short, kind.rest?.path, kind.type.toLowerCase()]
    for (const name of new Set(names)) if (name !== undefined) claim(cliNames, name, kind)
  }
  const all = Object.freeze([...descriptors].sort((a, b) => (a.type < b.type ? -1 : 1)))
  return Object.freeze({
    all,
    policies: Object.freeze(all.filter((kind) => kind.policy !== undefined)),
    destinations: Object.freeze(all.filter((kind) => kind.destination !== undefined)),
    get: (type: string) => types.get(type),
    byPath: (path: string) => paths.get(path),
    byShort: (short: string) => shorts.get(short),
    byCliName: (name: string) => cliNames.get(name.toLowerCase()),
  })
}

function claim(names: Map<string, ResourceDescriptor>, name: string, kind: ResourceDescriptor): void {
  const other = names.get(name)
  if (other !== undefined && other !== kind) throw new Error(`${kind.type} and ${other.type} both claim the name ${name}`)
  names.set(name, kind)
}
