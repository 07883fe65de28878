import fc from 'fast-check'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatKri,
  isRfc1035Label,
  isRfc1123Subdomain,
  kriText,
  meshViolations,
  nameViolations,
  parseKri,
  rfc1035Messages,
  sniOf,
  withoutSection,
} from './index.ts'

const zoned = { mesh: 'default', name: 'backend-hash', labels: { 'kuma.io/display-name': 'backend', 'kuma.io/zone': 'zone-b' } }

test('identifiers use display name, zone and namespace; empty parts stay', () => {
  assert.equal(kriText('msvc', zoned, 'http'), 'kri_msvc_default_zone-b__backend_http')
  assert.equal(kriText('m', { mesh: '', name: 'kc1', labels: {} }), 'kri_m____kc1_')
  const onKubernetes = { mesh: 'd', name: 'x', labels: { 'k8s.kuma.io/namespace': 'ns', 'kuma.io/zone': 'z' } }
  assert.equal(kriText('dp', onKubernetes, '80'), 'kri_dp_d_z_ns_x_80')
})

test('reading undoes writing, except for underscores in the section', () => {
  const part = fc.stringMatching(/^[a-z0-9.-]{0,8}$/)
  fc.assert(
    fc.property(fc.record({ short: part, mesh: part, zone: part, namespace: part, name: part, section: part }), (kri) => {
      assert.deepEqual({ ...parseKri(formatKri(kri)) }, { ...kri })
    }),
  )
  assert.equal(parseKri('kri_mhttpr_d___route_rule_0')?.section, 'rule0')
  assert.equal(withoutSection({ short: 'a', mesh: '', zone: '', namespace: '', name: 'n', section: 's' }).section, '')
})

test('what is no identifier is undefined', () => {
  for (const text of ['', 'kri', 'kri_mt_default_default__', 'xri_a_b_c_d_e_f', '_______']) assert.equal(parseKri(text), undefined, text)
  assert.equal(parseKri('kri___default_default__mtp-3_')?.short, '')
})

test('server names: zone and namespace when present, nothing for names that make none', () => {
  assert.equal(sniOf('msvc', zoned, 'http'), 'sni.msvc.default.zone-b.backend.http')
  assert.equal(sniOf('mzsvc', { mesh: 'default', name: 'backend', labels: {} }, 'http'), 'sni.mzsvc.default.backend.http')
  const labels = { 'kuma.io/zone': 'zone-1', 'k8s.kuma.io/namespace': 'ns1' }
  assert.equal(sniOf('msvc', { mesh: 'default', name: 'demo', labels }, '80'), 'sni.msvc.default.zone-1.ns1.demo.80')
  const namespaceOnly = { 'k8s.kuma.io/namespace': 'ns1' }
  assert.equal(sniOf('msvc', { mesh: 'default', name: 'demo', labels: namespaceOnly }, '80'), 'sni.msvc.default.demo.80')
  assert.equal(sniOf('msvc', { mesh: 'default', name: 'a.b', labels: {} }, '80'), undefined)
  assert.equal(sniOf('msvc', zoned, 'A B'), undefined)
  assert.equal(sniOf('msvc', { mesh: 'default', name: 'a'.repeat(64), labels: {} }, '80'), undefined)
  const long = 'a'.repeat(63)
  assert.equal(sniOf('msvc', { mesh: long, name: long, labels: { 'kuma.io/zone': long, 'k8s.kuma.io/namespace': long } }, '80'), undefined)
})

test("names have the peers' limits and words", () => {
  const messages = (name: string): readonly string[] => nameViolations(name).map((item) => item.message)
  assert.deepEqual(messages('a.b-c'), [])
  assert.deepEqual(messages(''), ['cannot be empty'])
  assert.deepEqual(messages('a'.repeat(254)), ['value length must less or equal 253'])
  assert.match(messages('dp-4$')[0] ?? '', /^invalid characters\. A lowercase RFC 1123 subdomain/)
  assert.deepEqual(meshViolations('a_b.c'), [])
  assert.equal(
    meshViolations('def$ault')[0]?.message,
    "invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_', '.' symbols.",
  )
  assert.equal(rfc1035Messages('1a'.padEnd(64, 'x')).length, 2)
  assert.equal(isRfc1035Label('a'.repeat(64)), false)
  assert.equal(isRfc1123Subdomain(`${'a.'.repeat(127)}aa`), false)
})
