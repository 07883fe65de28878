import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminUser, anonymousUser, type ApiRequest, type ApiUser, defaultAccessRules, Problem } from '@weft/api'
import { silentLogger } from '@weft/foundation/log'
import type { HeldSelection } from '@weft/kds'
import { type SyncEnd, syncRepairRoutes } from './sync-repair-routes.ts'

const since = '2026-01-01T00:00:00Z'
const policy = { type: 'MeshTimeout', mesh: 'default' }

function scene() {
  const decided: [string, HeldSelection][] = []
  const decide = (verb: string) => async (which: HeldSelection) => decided.push([verb, which])
  const sync: SyncEnd = {
    refusals: () => [
      { peer: 'east', refused: 'there', ...policy, name: 'a', wireName: 'a-x.default', reason: 'bad', since, certain: true },
      { peer: 'west', refused: 'here', ...policy, name: 'b', wireName: 'b-x.default', reason: 'taken', since, certain: true },
    ],
    held: () => [
      {
        origin: 'east',
        type: 'MeshTimeout',
        reason: 'mass-deletion',
        state: 'held',
        since,
        keys: ['c', 'd'].map((name) => ({ ...policy, name })),
      },
    ],
    approveRemoval: decide('approve'),
    rejectRemoval: decide('reject'),
  }
  const routes = syncRepairRoutes({ sync, access: defaultAccessRules, log: silentLogger })
  const call = async (method: 'GET' | 'POST', url: string, options: { user?: ApiUser; body?: string } = {}): Promise<unknown> => {
    const { pathname, searchParams } = new URL(url, 'http://x')
    const handler = routes.find(({ path }) => path === pathname)?.handlers[method]
    assert.ok(handler, url)
    const request: ApiRequest = {
      method,
      param: () => '',
      query: searchParams,
      path: pathname,
      origin: 'http://127.0.0.1',
      body: options.body === undefined ? undefined : Buffer.from(options.body),
      user: options.user ?? adminUser,
      address: '127.0.0.1',
      header: () => '',
    }
    return (await handler(request)).json
  }
  return { call, decided }
}

const namesOf = (reply: unknown): unknown => (reply as { items: { name: string }[] }).items.map(({ name }) => name)

test('what is refused and held is listed, by peer, origin, type, mesh or name', async () => {
  const { call } = scene()
  assert.deepEqual(namesOf(await call('GET', '/_weft/quarantine')), ['a', 'b'])
  assert.deepEqual(namesOf(await call('GET', '/_weft/quarantine?peer=west&type=MeshTimeout')), ['b'])
  assert.deepEqual(namesOf(await call('GET', '/_weft/held?name=d')), ['d'])
  assert.deepEqual(await call('GET', '/_weft/held?origin=east&name=c'), {
    total: 1,
    items: [{ origin: 'east', ...policy, name: 'c', reason: 'mass-deletion', state: 'held', since }],
  })
})

test('administrators decide, others do not, and a body of another shape is refused', async () => {
  const { call, decided } = scene()
  assert.deepEqual(await call('POST', '/_weft/held/approve', { body: '{"origin":"east","type":"MeshTimeout"}' }), { count: 1 })
  assert.deepEqual(await call('POST', '/_weft/held/reject'), { count: 2 })
  assert.deepEqual(decided, [
    ['approve', { origin: 'east', type: 'MeshTimeout' }],
    ['reject', {}],
  ])
  for (const body of ['{', '[]', '{"origin":7}', '{"orgin":"east"}']) {
    await assert.rejects(call('POST', '/_weft/held/approve', { body }), body)
  }
  await assert.rejects(
    call('POST', '/_weft/held/approve', { user: anonymousUser }),
    (error) => error instanceof Problem && error.status === 403,
  )
  assert.equal(decided.length, 2)
})
