import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { parseCertificates } from './certificates.ts'
import { createFakeStore } from './fakes/fake-store.ts'
import { loadAdminAuthority } from './admin-authority.ts'

describe('the admin authority', () => {
  it('is made once and shared', async () => {
    const store = createFakeStore()
    const clock = new FakeClock()
    const first = await loadAdminAuthority({ store, clock })
    const second = await loadAdminAuthority({ store, clock })
    assert.equal(first.caPem, second.caPem)
    assert.equal((await first.server('10.0.0.1')).certificatePem, (await first.server('10.0.0.1')).certificatePem)
    const leaf = parseCertificates(first.client.certificatePem)[0] ?? assert.fail()
    assert.ok(leaf.verify(parseCertificates(second.caPem)[0]?.publicKey ?? assert.fail()))
    assert.equal(leaf.subjectAltName, 'DNS:kuma-cp')
  })
})
