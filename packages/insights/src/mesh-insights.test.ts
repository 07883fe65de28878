import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMemoryStore, type StoreOp } from '@weft/store'
import fc from 'fast-check'
import { createProxyTally } from './mesh-insight.ts'
import { createMeshInsights } from './mesh-insights.ts'

const context = { actor: 'zone:east', reason: 'kds', class: 'observed' } as const
const meshes = ['m', 'n'] as const

const dataplaneSpec = fc.record(
  {
    gateway: fc.constant({ type: 'DELEGATED' }),
    inbound: fc.array(fc.record({ port: fc.constantFrom(80, 81), state: fc.constantFrom('Ready', 'NotReady', 'Ignored') }), {
      maxLength: 3,
    }),
  },
  { requiredKeys: [] },
)
const insightSpec = fc.record(
  {
    subscriptions: fc.array(
      fc.record(
        {
          connectTime: fc.constant('2026-01-01T00:00:00Z'),
          disconnectTime: fc.constant('2026-01-02T00:00:00Z'),
          version: fc.record({ kumaDp: fc.record({ version: fc.constantFrom('3.0.0', '2.14.3') }) }),
        },
        { requiredKeys: [] },
      ),
      { maxLength: 2 },
    ),
    mTLS: fc.record({
      issuedBackend: fc.constantFrom('one', 'two'),
      supportedBackends: fc.array(fc.constantFrom('one', 'two'), { maxLength: 2 }),
    }),
  },
  { requiredKeys: [] },
)
const place = { mesh: fc.constantFrom(...meshes), name: fc.constantFrom('a', 'b', 'c') }
const operation = fc.oneof(
  fc.record({ ...place, networking: dataplaneSpec }).map(
    ({ mesh, name, networking }): StoreOp => ({
      op: 'put',
      resource: { type: 'Dataplane', mesh, name, labels: {}, spec: { networking } },
    }),
  ),
  fc
    .record({ ...place, spec: insightSpec })
    .map(({ mesh, name, spec }): StoreOp => ({ op: 'put', resource: { type: 'DataplaneInsight', mesh, name, labels: {}, spec } })),
  fc
    .record({ ...place, type: fc.constantFrom('Dataplane', 'DataplaneInsight') })
    .map((key): StoreOp => ({ op: 'delete', key, ifPresent: true })),
)
const transactions = fc.array(fc.array(operation, { maxLength: 6 }), { maxLength: 12 })

it('what was counted change by change is what a count of everything gives', async () => {
  await fc.assert(
    fc.asyncProperty(transactions, transactions, async (before, after) => {
      const clock = new FakeClock()
      const store = createMemoryStore({ clock, log: silentLogger })
      for (const name of meshes)
        await store.transact([{ op: 'put', resource: { type: 'Mesh', mesh: '', name, labels: {}, spec: {} } }], context)
      for (const ops of before) await store.transact(ops, context)
      const insights = createMeshInsights({ store, clock, log: silentLogger, types: ['Dataplane', 'DataplaneInsight'] })
      await insights.start()
      for (const ops of after) await store.transact(ops, context)
      clock.advance(1000)
      await new Promise(setImmediate)
      for (const mesh of meshes) {
        const tally = createProxyTally()
        for (const dataplane of store.list('Dataplane', mesh))
          tally.add(dataplane, store.get({ type: 'DataplaneInsight', mesh, name: dataplane.name }))
        const expected = tally.spec(new Map([['Dataplane', store.list('Dataplane', mesh).length]]))
        assert.deepEqual(store.get({ type: 'MeshInsight', mesh: '', name: mesh })?.spec, expected)
      }
      await insights.stop()
    }),
  )
})
