import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { createEnvoyAdminCa, issueAdminCertificate, loadCertificateAuthority } from '@weft/identity'
import { type PostgresServer, startPostgres, withoutPostgres } from '../testing/postgres-server.ts'
import { migrationStatus } from './migrate.ts'
import type { PostgresSettings, PostgresTlsMode } from './settings.ts'

describe('connections with TLS', { skip: withoutPostgres() }, () => {
  let server: PostgresServer
  let dir: string
  const path = (name: string): string => join(dir, name)

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'weft-tls-'))
    const now = Date.now()
    const root = await createEnvoyAdminCa(now)
    const other = await createEnvoyAdminCa(now)
    const ca = await loadCertificateAuthority({ ...root, allowSelfSigned: true, now })
    const serving = await issueAdminCertificate(ca, { usage: 'server', name: 'localhost', now })
    const client = await issueAdminCertificate(ca, { usage: 'client', name: 'weft', now })
    const stranger = await issueAdminCertificate(ca, { usage: 'client', name: 'stranger', now })
    const files = {
      'ca.pem': root.certificatePem,
      'other.pem': other.certificatePem,
      'client.pem': client.certificatePem,
      'client.key': client.privateKeyPem,
      'stranger.pem': stranger.certificatePem,
      'stranger.key': stranger.privateKeyPem,
    }
    for (const [name, text] of Object.entries(files)) await writeFile(path(name), text)
    server = await startPostgres({
      tls: { certificate: serving.certificatePem, key: serving.privateKeyPem, ca: root.certificatePem },
      // one database asks for a password, one for a certificate that names the user, and none takes connections in clear
      access: ['hostssl postgres all all scram-sha-256', 'hostssl template1 all all cert'],
    })
  })
  after(async () => {
    await server.dispose()
    await rm(dir, { recursive: true, force: true })
  })

  const ask = (mode: PostgresTlsMode, change: Partial<PostgresSettings> = {}, files: PostgresSettings['tls'] | object = {}) =>
    migrationStatus({ ...server.settings('postgres'), host: 'localhost', tls: { mode, ...files }, ...change })
  const refused = (promise: Promise<unknown>, message: RegExp) =>
    assert.rejects(
      promise,
      (error) => hasCode(error, 'store/unavailable') && message.test(error.message) && !error.message.includes('for tests only'),
    )

  it('verifyNone takes any certificate, but no connection in clear', async () => {
    assert.equal((await ask('verifyNone')).version, 0)
    await refused(ask('disable'), /no encryption|pg_hba/)
  })

  it('verifyCa asks for a certificate of the authority, whatever its name', async () => {
    assert.equal((await ask('verifyCa', { host: '127.0.0.1' }, { caPath: path('ca.pem') })).version, 0)
    await refused(ask('verifyCa', {}, { caPath: path('other.pem') }), /certificate/)
  })

  it('verifyFull asks for the name too', async () => {
    assert.equal((await ask('verifyFull', {}, { caPath: path('ca.pem') })).version, 0)
    await refused(ask('verifyFull', { host: '127.0.0.1' }, { caPath: path('ca.pem') }), /does not match/)
  })

  it('a client certificate stands for the user', async () => {
    const pair = (name: string) => ({ caPath: path('ca.pem'), certPath: path(`${name}.pem`), keyPath: path(`${name}.key`) })
    assert.equal((await ask('verifyFull', { database: 'template1' }, pair('client'))).version, 0)
    await refused(ask('verifyFull', { database: 'template1' }, pair('stranger')), /authentication failed/)
    await refused(ask('verifyFull', { database: 'template1' }, { caPath: path('ca.pem') }), /certificate/)
  })

  it('a wrong password and a file that is not there are named, without the password', async () => {
    await refused(ask('verifyNone', { password: 'a wrong one' }), /weft@localhost:\d+\/postgres: password authentication failed/)
    await assert.rejects(
      ask('verifyCa', {}, { caPath: path('missing.pem') }),
      (error) => hasCode(error, 'config/unreadable') && /missing\.pem/.test(error.message),
    )
  })
})

describe('a server that is not there', () => {
  it('is store/unavailable and can be tried again', async () => {
    const settings = { host: '127.0.0.1', port: 1, user: 'kuma', password: 'hush', database: 'kuma' }
    await assert.rejects(
      migrationStatus(settings),
      (error) =>
        hasCode(error, 'store/unavailable') &&
        error.retryable &&
        error.message.startsWith('cannot use the PostgreSQL database kuma@127.0.0.1:1/kuma'),
    )
  })
})
