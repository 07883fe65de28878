import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format } from 'node:util'
import { SecretText } from './secret-text.ts'

void test('a secret text shows itself only when asked', () => {
  const secret = new SecretText('hidden')
  assert.equal(secret.reveal(), 'hidden')
  assert.equal(JSON.stringify({ secret }), '{"secret":"[redacted]"}')
  assert.doesNotMatch(`${format('%o %s %j', secret, secret, secret)}${Object.values(secret).join('')}`, /hidden/)
})
