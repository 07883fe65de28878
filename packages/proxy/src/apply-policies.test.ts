import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { applyEach } from './apply-policies.ts'

const plugins = [{ type: 'First' }, { type: 'Second' }, { type: 'Third' }]

describe('applying policies', () => {
  test('in the order of the list', () => {
    const { draft, failures } = applyEach(
      plugins,
      () => [] as string[],
      (plugin, made) => made.push(plugin.type),
    )
    assert.deepEqual(draft, ['First', 'Second', 'Third'])
    assert.deepEqual(failures, [])
  })

  test('a policy that fails halfway leaves no trace and stops no other', () => {
    const { draft, failures } = applyEach(
      plugins,
      () => [] as string[],
      (plugin, made) => {
        made.push(plugin.type)
        if (plugin.type !== 'First') throw new Error(`${plugin.type} is broken`)
      },
    )
    assert.deepEqual(draft, ['First'])
    assert.deepEqual(failures, [
      { policy: 'Second', message: 'Second is broken' },
      { policy: 'Third', message: 'Third is broken' },
    ])
  })

  test('a guard that fails is never left out: there is no draft without it', () => {
    for (const type of ['MeshTLS', 'MeshTrafficPermission']) {
      assert.throws(
        () =>
          applyEach(
            [...plugins, { type }],
            () => ({}),
            (plugin) => {
              if (plugin.type === type) throw new Error('guard is broken')
            },
          ),
        /guard is broken/,
      )
    }
  })
})
