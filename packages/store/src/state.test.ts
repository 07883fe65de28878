import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Resource } from '@weft/resources'
import { createState, type State } from './state.ts'

const key = fc.record({
  type: fc.constantFrom('A', 'B'),
  mesh: fc.constantFrom('', 'm', 'n'),
  name: fc.constantFrom('a', 'b', 'c', 'd', 'é', 'z'),
})
const resource = fc
  .tuple(key, fc.nat(3))
  .map(([of, version]): Resource => ({ ...of, labels: {}, creationTime: '', modificationTime: '', version, spec: {} }))

function shown(state: State): unknown {
  const lists = ['A', 'B'].map((type) => [state.list(type), ...['', 'm', 'n'].map((mesh) => state.list(type, mesh))])
  return { size: state.size(), lists, entries: [...state.entries()].length }
}

test('a state of resources is that of putting them one by one, in any order, and goes on like it', () => {
  fc.assert(
    fc.property(fc.array(resource), fc.array(resource), fc.array(key), (loaded, put, removed) => {
      const [whole, stepwise] = [createState(loaded), createState()]
      for (const each of loaded) stepwise.put(each)
      assert.deepEqual(shown(whole), shown(stepwise))
      for (const state of [whole, stepwise]) {
        for (const each of put) state.put(each)
        for (const each of removed) state.remove(each)
      }
      assert.deepEqual(shown(whole), shown(stepwise))
      for (const each of whole.entries()) assert.equal(whole.get(each), each)
    }),
  )
})
