// Several control planes of one zone: one keeps the authorities, all issue by them.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createFakeStore } from './fakes/fake-store.ts'
import { createIdentityIssuer } from './identity-issuer.ts'

const kri = 'kri_mid_default_east__mid1_'
const wanted = { kri, spiffeId: 'spiffe://default.east.mesh.local/workload/web' }

function replica(store: ReturnType<typeof createFakeStore>, clock: FakeClock, mayWrite: () => boolean) {
  const issued: string[] = []
  const issuer = createIdentityIssuer({
    store,
    clock,
    log: silentLogger,
    settings: { zone: 'east', environment: 'universal' },
    onIssued: (proxyKey, { authority }) => issued.push(`${proxyKey} ${authority}`),
    mayWrite,
  })
  return { issuer, issued }
}

it('a replica that does not lead writes nothing, and issues by what the leader made as soon as it is there', async () => {
  const store = createFakeStore()
  const clock = new FakeClock()
  const leads = { a: false }
  const [a, b] = [replica(store, clock, () => leads.a), replica(store, clock, () => false)]
  await store.put({
    type: 'MeshIdentity',
    mesh: 'default',
    name: 'mid1',
    labels: { 'kuma.io/zone': 'east' },
    spec: {
      selector: { dataplane: { matchLabels: {} } },
      provider: { type: 'Bundled', bundled: { insecureAllowSelfSigned: true, autogenerate: { enabled: true } } },
    },
  })
  const seq = store.seq
  for (const { issuer } of [a, b]) await issuer.start()
  for (const { issuer } of [a, b]) await issuer.idle()
  b.issuer.ensure('default/web', wanted)
  await b.issuer.idle()
  assert.deepEqual([store.seq, b.issued], [seq, []], 'nobody leads')
  assert.deepEqual(
    b.issuer.pending().map(({ reason }) => reason),
    ['no-authority'],
  )
  leads.a = true
  a.issuer.lookAgain()
  await a.issuer.idle()
  a.issuer.ensure('default/web', wanted)
  for (const { issuer } of [a, b]) await issuer.idle()
  // who saw the authority appear waits for trust in it to spread
  clock.advance(10_000)
  for (const { issuer } of [a, b]) await issuer.idle()
  assert.equal(a.issued.length, 1)
  assert.deepEqual(b.issued, a.issued, 'by the same authority')
  const secrets = store.list('Secret').map(({ name }) => name)
  assert.deepEqual(secrets.sort(), ['mid1-private-key', 'mid1-root-ca'])
  for (const { issuer } of [a, b]) await issuer.stop()
})
