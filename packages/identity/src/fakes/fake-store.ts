// An in-memory store for tests of this package: the store contract's behaviour for puts and announcements, nothing more.
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '@weft/foundation/errors'
import { keyText, type Resource, type ResourceKey } from '@weft/resources'
import type { IdentityPut, IdentityStore } from '../identity-store.ts'

type Announced = { readonly key: ResourceKey; readonly after?: Resource }

export interface FakeStore extends IdentityStore {
  /** Puts without expectation. */
  put(resource: IdentityPut['resource']): Promise<number>
  remove(key: ResourceKey): void
  /** Number of changes that were announced. */
  readonly changes: number
  /** The next transactions fail with this. */
  failNext(error: AppError, times?: number): void
}

export function createFakeStore(): FakeStore {
  const values = new Map<string, Resource>()
  const listeners = new Set<(changes: readonly Announced[]) => void>()
  const failures: AppError[] = []
  let seq = 0
  const announce = (changes: readonly Announced[]): void => {
    if (changes.length > 0) for (const listener of listeners) listener(changes)
  }
  const store: FakeStore = {
    get seq() {
      return seq
    },
    get changes() {
      return seq
    },
    get: (key) => values.get(keyText(key)),
    list: (type, mesh) =>
      [...values.values()]
        .filter((each) => each.type === type && (mesh === undefined || each.mesh === mesh))
        .sort((a, b) => (keyText(a) < keyText(b) ? -1 : 1)),
    transact: async (ops) => {
      const failure = failures.shift()
      if (failure) throw failure
      for (const { resource, expect } of ops) {
        const stored = values.get(keyText(resource))
        if (expect === 'absent' && stored) throw new AppError('store/already-exists', 'exists')
        if (typeof expect === 'number' && stored?.version !== expect) throw new AppError('store/conflict', 'changed')
      }
      const changes = ops.flatMap(({ resource }) => {
        const stored = values.get(keyText(resource))
        const status = resource.status ?? stored?.status
        if (stored && isDeepStrictEqual([stored.labels, stored.spec, stored.status], [resource.labels, resource.spec, status])) return []
        seq += 1
        const times = { creationTime: '2026-01-01T00:00:00Z', modificationTime: '2026-01-01T00:00:00Z' }
        const after: Resource = { ...resource, ...times, version: seq, ...(status === undefined ? {} : { status }) }
        values.set(keyText(resource), after)
        return [{ key: { type: resource.type, mesh: resource.mesh, name: resource.name }, after }]
      })
      announce(changes)
      return seq
    },
    watch: (_, listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    put: (resource) => store.transact([{ op: 'put', resource }], { actor: 'test', reason: 'test', class: 'desired' }),
    remove: (key) => {
      if (!values.delete(keyText(key))) return
      seq += 1
      announce([{ key }])
    },
    failNext: (error, times = 1) => {
      for (let i = 0; i < times; i += 1) failures.push(error)
    },
  }
  return store
}
