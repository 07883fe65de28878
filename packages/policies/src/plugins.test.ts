import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plugins, policyDescriptors } from './index.ts'
import { caseDestination } from './policy-cases.ts'
import { caseOwner } from './policy-case-owner.ts'

test('plugins act in the order that their descriptors name', () => {
  const orders = new Map(policyDescriptors.map((descriptor) => [descriptor.type as string, descriptor.policy?.order]))
  for (const plugin of plugins) assert.equal(plugin.order, orders.get(plugin.type), plugin.type)
  assert.deepEqual(
    plugins.map((plugin) => plugin.order),
    plugins.map((plugin) => plugin.order).toSorted((a, b) => a - b),
  )
})

test('a policy without an opinion shows nothing of a proxy', () => {
  const client = { zone: 'zone-1', labels: { app: 'client' } }
  for (const plugin of plugins) {
    assert.notEqual(plugin.sendsClientTags?.(caseDestination({ name: 'backend' }), undefined), true, plugin.type)
    assert.equal(plugin.placement?.(client, undefined), undefined, plugin.type)
    assert.equal(plugin.share?.(caseOwner(), undefined, undefined), undefined, plugin.type)
  }
})
