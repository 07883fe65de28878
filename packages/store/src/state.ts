// The current resources by type, mesh and name, with sorted listings that are copied only when a caller holds the previous one.
import type { Resource, ResourceKey } from '@weft/resources'

interface MeshGroup {
  readonly byName: Map<string, Resource>
  sorted: Resource[]
  /** True once a caller got `sorted`; the next write then works on a copy. */
  shared: boolean
}

interface TypeGroup {
  readonly byMesh: Map<string, MeshGroup>
  meshes: string[]
  all: readonly Resource[] | undefined
}

export interface State {
  get(key: ResourceKey): Resource | undefined
  list(type: string, mesh?: string): readonly Resource[]
  put(resource: Resource): void
  remove(key: ResourceKey): void
  /** Number of resources of all kinds. */
  size(): number
  entries(): IterableIterator<Resource>
}

const none: readonly Resource[] = Object.freeze([])

/** A state of these resources; of several with one key the last counts. They are sorted once, in whatever order they come. */
export function createState(resources: Iterable<Resource> = []): State {
  const types = new Map<string, TypeGroup>()
  let size = 0

  const groupFor = (key: ResourceKey): { readonly kind: TypeGroup; readonly group: MeshGroup } => {
    let kind = types.get(key.type)
    if (!kind) {
      kind = { byMesh: new Map(), meshes: [], all: undefined }
      types.set(key.type, kind)
    }
    let group = kind.byMesh.get(key.mesh)
    if (!group) {
      group = { byName: new Map(), sorted: [], shared: false }
      kind.byMesh.set(key.mesh, group)
      kind.meshes = [...kind.meshes, key.mesh].sort(compareText)
    }
    return { kind, group }
  }

  const writable = (group: MeshGroup): Resource[] => {
    if (group.shared) {
      group.sorted = group.sorted.slice()
      group.shared = false
    }
    return group.sorted
  }

  for (const resource of resources) groupFor(resource).group.byName.set(resource.name, resource)
  for (const kind of types.values()) {
    for (const group of kind.byMesh.values()) {
      group.sorted = [...group.byName.values()].sort((a, b) => compareText(a.name, b.name))
      size += group.sorted.length
    }
  }

  return {
    get: (key) => types.get(key.type)?.byMesh.get(key.mesh)?.byName.get(key.name),
    list: (type, mesh) => {
      const kind = types.get(type)
      if (!kind) return none
      if (mesh !== undefined) return share(kind.byMesh.get(mesh))
      if (kind.byMesh.size === 1) return share(kind.byMesh.values().next().value)
      kind.all ??= kind.meshes.flatMap((name) => kind.byMesh.get(name)?.sorted ?? [])
      return kind.all
    },
    put: (resource) => {
      const { kind, group } = groupFor(resource)
      const list = writable(group)
      const at = position(list, resource.name)
      if (group.byName.has(resource.name)) list[at] = resource
      else {
        list.splice(at, 0, resource)
        size += 1
      }
      group.byName.set(resource.name, resource)
      kind.all = undefined
    },
    remove: (key) => {
      const kind = types.get(key.type)
      const group = kind?.byMesh.get(key.mesh)
      if (!kind || !group?.byName.delete(key.name)) return
      const list = writable(group)
      list.splice(position(list, key.name), 1)
      size -= 1
      kind.all = undefined
      if (group.byName.size === 0) {
        kind.byMesh.delete(key.mesh)
        kind.meshes = kind.meshes.filter((name) => name !== key.mesh)
      }
    },
    size: () => size,
    entries: function* () {
      for (const kind of types.values()) for (const group of kind.byMesh.values()) yield* group.byName.values()
    },
  }
}

function share(group: MeshGroup | undefined): readonly Resource[] {
  if (!group) return none
  group.shared = true
  return group.sorted
}

/** Index of `name` in a list sorted by name, or where it belongs. */
function position(list: readonly Resource[], name: string): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareText(list[middle]?.name ?? '', name) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** By UTF-16 code units: the same on every machine, whatever the locale. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
