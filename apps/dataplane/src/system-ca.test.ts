import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemCaPath } from './system-ca.ts'

void test('the bundle of the system is found where it is', () => {
  assert.equal(
    systemCaPath((path) => path.startsWith('/etc/pki/tls')),
    '/etc/pki/tls/certs/ca-bundle.crt',
  )
  assert.equal(
    systemCaPath(() => false),
    '',
  )
})
