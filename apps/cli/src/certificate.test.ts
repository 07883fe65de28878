import { hasCode } from '@weft/foundation/errors'
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { generateCertificate } from './certificate.ts'

let dir = ''
const files = (): { readonly certFile: string; readonly keyFile: string } => ({
  certFile: join(dir, 'cert.pem'),
  keyFile: join(dir, 'key.pem'),
})

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weft-certificate-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

for (const [type, purpose] of [
  ['server', '1.3.6.1.5.5.7.3.1'],
  ['client', '1.3.6.1.5.5.7.3.2'],
] as const) {
  test(`a ${type} certificate stands for its names and fits its key, which only its owner reads`, async () => {
    const printed: string[] = []
    await generateCertificate({ type, hostname: ['global', '10.0.0.5'], ...files() }, (text) => printed.push(text))
    const certificate = new X509Certificate(readFileSync(files().certFile))
    assert.ok(certificate.checkHost('global'))
    assert.ok(certificate.checkIP('10.0.0.5'))
    assert.deepEqual(certificate.keyUsage, [purpose])
    assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(files().keyFile))))
    assert.equal(statSync(files().keyFile).mode & 0o077, 0)
    assert.match(printed.join('\n'), /certificate for global, 10\.0\.0\.5/)
  })
}

test('a pair that is there is not replaced, and an unknown type makes none', async () => {
  await generateCertificate({ type: 'server', hostname: ['one'], ...files() }, () => {})
  const before = readFileSync(files().certFile, 'utf8')
  await assert.rejects(
    generateCertificate({ type: 'server', hostname: ['two'], ...files() }, () => {}),
    (error: unknown) => hasCode(error, 'cli/usage'),
  )
  assert.equal(readFileSync(files().certFile, 'utf8'), before)
  await assert.rejects(
    generateCertificate({ type: 'peer', hostname: ['two'], ...files() }, () => {}),
    /client or server/,
  )
})
