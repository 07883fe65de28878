import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminUser, anonymousUser, type ApiRequest, type ApiUser, defaultAccessRules, Problem } from '@weft/api'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMemoryStore } from '@weft/store'
import { createRecovery } from './recovery.ts'
import { markRecovery, needsRecovery } from './recovery-marker.ts'
import { recoveryRoute } from './recovery-routes.ts'

const request = (user: ApiUser): ApiRequest => ({
  method: 'GET',
  param: () => '',
  query: new URLSearchParams(),
  path: '/_x/recovery',
  origin: 'http://127.0.0.1',
  body: undefined,
  user,
  address: '127.0.0.1',
  header: () => '',
})

test('administrators see recovery and end it, others do not', async () => {
  const clock = new FakeClock()
  const recovery = createRecovery({
    needed: true,
    unlisted: () => [],
    meshes: () => ['default'],
    returned: () => undefined,
    dataplane: () => undefined,
    isConnected: () => false,
    mayChange: () => true,
    quiet: async () => {},
    clock,
    log: silentLogger,
  })
  const { handlers } = recoveryRoute({
    recovery,
    pendingCertificates: () => [{ proxyKey: 'default/a', kri: 'kri', reason: 'trust-not-spread' }],
    access: defaultAccessRules,
    log: silentLogger,
  })
  const { GET, DELETE } = handlers
  assert.ok(GET && DELETE)
  for (const handler of [GET, DELETE]) {
    assert.throws(
      () => void handler(request(anonymousUser)),
      (error) => error instanceof Problem && error.status === 403,
    )
  }
  recovery.advance()
  const { json } = await GET(request(adminUser))
  assert.deepEqual(json, {
    recovering: true,
    since: new Date(clock.now()).toISOString(),
    unlisted: [],
    meshes: [{ mesh: 'default', phase: 'incomplete', proxies: 0, waitingFor: [], until: new Date(clock.now() + 60_000).toISOString() }],
    pendingCertificates: { total: 1, items: [{ proxy: 'default/a', kri: 'kri', reason: 'trust-not-spread' }] },
  })
  const ended = await DELETE(request(adminUser))
  assert.equal((ended.json as { recovering: boolean }).recovering, false)
  recovery.stop()
})

test('a recovery that a restart cuts short goes on after it', async () => {
  const store = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
  assert.equal(needsRecovery(store), true)
  await markRecovery(store, silentLogger, false)
  const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
  await store.transact([{ op: 'put', resource: { type: 'Mesh', mesh: '', name: 'default', labels: {}, spec: {} } }], context)
  assert.equal(needsRecovery(store), true)
  await markRecovery(store, silentLogger, true)
  assert.equal(needsRecovery(store), false)
})
