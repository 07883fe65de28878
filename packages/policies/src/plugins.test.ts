import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plugins, policyDescriptors } from './index.ts'

test('plugins act in the order that their descriptors name', () => {
  const orders = new Map(policyDescriptors.map((descriptor) => [descriptor.type as string, descriptor.policy?.order]))
  for (const plugin of plugins) assert.equal(plugin.order, orders.get(plugin.type), plugin.type)
  assert.deepEqual(
    plugins.map((plugin) => plugin.order),
    plugins.map((plugin) => plugin.order).toSorted((a, b) => a - b),
  )
})
