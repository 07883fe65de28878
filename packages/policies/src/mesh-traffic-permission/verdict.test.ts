import assert from 'node:assert/strict'
import { test } from 'node:test'
import { permissionVerdict } from './verdict.ts'
import type { TrafficPermissionConf } from './envoy.ts'

const id = (type: 'Exact' | 'Prefix', value: string) => ({ spiffeID: { type, value } })
const conf: TrafficPermissionConf = {
  deny: [{ name: 'no-batch', matches: [id('Prefix', 'spiffe://a/batch')], all: false }],
  allow: [
    {
      name: 'web',
      matches: [id('Exact', 'spiffe://a/web'), { ...id('Prefix', 'spiffe://a/edge'), sni: { type: 'Exact', value: 's' } }],
      all: false,
    },
    { name: 'everyone-of-a', matches: [id('Prefix', 'spiffe://a/')], all: false },
  ],
  shadowDeny: [{ name: 'soon-not', matches: [id('Exact', 'spiffe://a/web')], all: false }],
}
const asks = (spiffeId: string, sni?: string) => permissionVerdict(conf, { spiffeId, sni })

void test('a denial wins over every permission', () => {
  assert.deepEqual(asks('spiffe://a/batch/1'), { allowed: false, by: 'no-batch', shadowDeniedBy: undefined })
})

void test('what no rule mentions is denied', () => {
  assert.deepEqual(asks('spiffe://b/x'), { allowed: false, by: undefined, shadowDeniedBy: undefined })
  assert.equal(permissionVerdict(undefined, { spiffeId: 'spiffe://a/web', sni: undefined }).allowed, false)
})

void test('the first permission that holds is named, with the denial that only reports', () => {
  assert.deepEqual(asks('spiffe://a/web'), { allowed: true, by: 'web', shadowDeniedBy: 'soon-not' })
  assert.equal(asks('spiffe://a/edge/1', 's').by, 'web')
  assert.equal(asks('spiffe://a/edge/1', 'other').by, 'everyone-of-a')
})

void test('a denial of all traffic holds for everyone', () => {
  const closed = { ...conf, deny: [{ name: 'closed', matches: [], all: true }] }
  assert.equal(permissionVerdict(closed, { spiffeId: 'spiffe://a/web', sni: undefined }).by, 'closed')
})
