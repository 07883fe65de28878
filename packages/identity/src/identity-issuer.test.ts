import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { createMeshCa, loadCertificateAuthority, createEnvoyAdminCa, issueAdminCertificate } from './certificates.ts'
import { createIdentityIssuer } from './identity-issuer.ts'
import { secretSpec, secretText } from './signing-keys.ts'
import { autogenerate, kri, midResource, running, setUp } from './issuer.fixture.ts'

describe('a bundled identity', () => {
  it('gets an authority, a trust and conditions', async () => {
    const { issuer, conditions, trust, authority, store } = await running()
    assert.deepEqual(conditions(), { Provider: 'True/ProviderInitialized', MeshTrustCreated: 'True/MeshTrustCreated', Ready: 'True/Ready' })
    const { resource, spec } = trust()
    assert.equal(spec?.trustDomain, 'default.east.mesh.local')
    assert.deepEqual(spec.caBundles, [{ type: 'Pem', pem: { value: authority() } }])
    assert.deepEqual(resource?.status, { origin: { kri } })
    assert.deepEqual(resource?.labels, {
      'kuma.io/mesh': 'default',
      'kuma.io/display-name': 'mid1',
      'kuma.io/origin': 'zone',
      'kuma.io/env': 'universal',
    })
    assert.match(secretText(store.get({ type: 'Secret', mesh: 'default', name: 'mid1-private-key' })) ?? '', /PRIVATE KEY/)
    await issuer.stop()
  })

  it('is found by the watch, and a second process changes nothing', async () => {
    const { store, issuer, clock, conditions } = setUp()
    await issuer.start()
    await store.put(midResource(autogenerate))
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'True/Ready')
    const before = store.changes
    const second = createIdentityIssuer({
      store,
      clock,
      log: silentLogger,
      settings: { zone: 'east', environment: 'universal' },
      onIssued: () => {},
    })
    await second.start()
    await second.idle()
    assert.equal(store.changes, before)
    await Promise.all([issuer.stop(), second.stop()])
  })

  it('takes secret names from the display name when it came from global', async () => {
    const { store, issuer, trust } = setUp()
    await store.put({
      ...midResource(autogenerate, { 'kuma.io/display-name': 'mid1', 'kuma.io/origin': 'global' }),
      name: 'mid1-z589fv45dd29x7bc',
    })
    await issuer.start()
    await issuer.idle()
    assert.ok(store.get({ type: 'Secret', mesh: 'default', name: 'mid1-root-ca' }))
    const made = store.get({ type: 'MeshTrust', mesh: 'default', name: 'mid1-z589fv45dd29x7bc' })
    assert.equal(made?.labels['kuma.io/display-name'], 'mid1')
    assert.equal(trust().resource, undefined)
    await issuer.stop()
  })

  it('keeps what its trust held and restores what it lost', async () => {
    const { store, issuer, trust, authority } = setUp()
    const foreign = (await createMeshCa({ trustDomain: 'x', now: Date.UTC(2026, 0, 1) })).certificatePem
    await store.put({
      type: 'MeshTrust',
      mesh: 'default',
      name: 'mid1',
      labels: {},
      spec: { trustDomain: 'x', caBundles: [{ type: 'Pem', pem: { value: foreign } }] },
    })
    await store.put(midResource(autogenerate))
    await issuer.start()
    await issuer.idle()
    assert.deepEqual(
      trust().spec?.caBundles.map((each) => each.pem.value),
      [foreign, authority()],
    )
    store.remove({ type: 'MeshTrust', mesh: 'default', name: 'mid1' })
    await issuer.idle()
    assert.equal(trust().spec?.caBundles.length, 1)
    await issuer.stop()
  })

  it('uses a given authority', async () => {
    const { store, issuer, conditions, trust, clock } = setUp()
    const root = await loadCertificateAuthority({ ...(await createEnvoyAdminCa(clock.now())), allowSelfSigned: true, now: clock.now() })
    const made = await createMeshCa({ trustDomain: 'default.east.mesh.local', now: clock.now() })
    await store.put({ type: 'Secret', mesh: 'default', name: 'my-key', labels: {}, spec: secretSpec(made.privateKeyPem) })
    const ca = {
      certificate: { type: 'InsecureInline', insecureInline: { value: made.certificatePem } },
      privateKey: { type: 'Secret', secretRef: { kind: 'Secret', name: 'my-key' } },
    }
    await store.put(midResource({ type: 'Bundled', bundled: { ca } }))
    await issuer.start()
    await issuer.idle()
    assert.deepEqual(
      conditions(),
      { Provider: 'False/ProviderInitializationError', Ready: 'False/Failure' },
      'self-signed is refused by default',
    )
    assert.equal(trust().resource, undefined)
    await store.put(midResource({ type: 'Bundled', bundled: { ca, insecureAllowSelfSigned: true } }))
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'True/Ready')
    await store.put(midResource({ type: 'Bundled', bundled: { ca, insecureAllowSelfSigned: true, meshTrustCreation: 'Disabled' } }))
    await issuer.idle()
    assert.equal(conditions()['MeshTrustCreated'], undefined)
    const leaf = await issueAdminCertificate(root, { usage: 'server', name: 'x', now: clock.now() })
    await store.put(
      midResource({
        type: 'Bundled',
        bundled: { ca: { ...ca, certificate: { type: 'InsecureInline', insecureInline: { value: leaf.certificatePem } } } },
      }),
    )
    await issuer.idle()
    assert.equal(conditions()['Provider'], 'False/ProviderInitializationError')
    await issuer.stop()
  })

  const others: [string, unknown, Record<string, string>][] = [
    ['no provider', undefined, { SpiffeIDProvider: 'True/SpiffeIDProvided', Ready: 'False/PartiallyReady' }],
    ['Spire', { type: 'Spire' }, { Provider: 'True/ProviderInitialized', Ready: 'True/Ready' }],
    [
      'an extension nobody provides',
      { type: 'Extension', extension: { name: 'x' } },
      { Provider: 'False/ProviderNotFoundError', Ready: 'False/Failure' },
    ],
    [
      'a relative file',
      { type: 'Bundled', bundled: { ca: { certificate: { type: 'File', file: { path: '../x' } } } } },
      { Provider: 'False/ProviderInitializationError', Ready: 'False/Failure' },
    ],
    [
      'autogenerate without permission',
      { type: 'Bundled', bundled: { autogenerate: { enabled: true } } },
      { Provider: 'False/ProviderInitializationError', Ready: 'False/Failure' },
    ],
  ]
  for (const [name, provider, expected] of others) {
    it(`says what it is with ${name}`, async () => {
      const { store, issuer, conditions } = setUp()
      await store.put(midResource(provider))
      await issuer.start()
      await issuer.idle()
      assert.deepEqual(conditions(), expected)
      await issuer.stop()
    })
  }

  it('tries again when the store was away', async () => {
    const { store, issuer, clock, conditions } = setUp()
    await store.put(midResource(autogenerate))
    store.failNext(new AppError('store/unavailable', 'away', { retryable: true }))
    await issuer.start()
    await issuer.idle()
    assert.equal(conditions()['Ready'], undefined)
    clock.advance(30_000)
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'True/Ready')
    await issuer.stop()
  })
})
