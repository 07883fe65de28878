import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashedName, kdsName } from './kds-name.ts'
import { isRfc1123Subdomain } from './names.ts'

const vectors: readonly (readonly [mesh: string, name: string, labels: Readonly<Record<string, string>>, expected: string])[] = [
  ['default', 'default-timeout-global', {}, 'default-timeout-global-54dbd4c66zwbcf9c'],
  ['default', 'redis-zone-1', { 'kuma.io/zone': 'zone-1' }, 'redis-zone-1-2v6wfvvcvbc9f55d'],
  ['default', 'redis-zone-2', { 'kuma.io/zone': 'zone-2' }, 'redis-zone-2-ff29vc4685c6f594'],
  ['default', 'default-timeout-zone-1', { 'kuma.io/zone': 'zone-1' }, 'default-timeout-zone-1-c58w24w4vw27f454'],
  ['default', 'mesh-timeout-all-default', {}, 'mesh-timeout-all-default-bv8z44b7bzb99xc7'],
  ['', 'synced-universal-mesh-service', {}, 'synced-universal-mesh-service-46484vczc724vc29'],
  ['', 'local-mesh-external-service', { 'kuma.io/zone': 'zone-p' }, 'local-mesh-external-service-6b28bb78942469v4'],
  ['default', 'web', { 'kuma.io/zone': 'zone-b' }, 'web-d4974dwdwbz7bfx5'],
  ['default', 'backend', { 'kuma.io/zone': 'zone-1', 'k8s.kuma.io/namespace': 'ns' }, 'backend-74254xc9z29774d5'],
  ['', 'foo', { 'kuma.io/zone': 'zone-1', 'k8s.kuma.io/namespace': 'custom-ns' }, 'foo-696vzv497z4cv4f4'],
]

test('wire names equal the recorded ones', () => {
  for (const [mesh, name, labels, expected] of vectors) assert.equal(kdsName({ mesh, name, labels }), expected)
})

test('the hash is FNV-1a in 64 bits', () => {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
  const suffixOf = (text: string): string => {
    let hash = 0xcbf29ce484222325n
    for (const byte of Buffer.from(text, 'utf8')) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
    return [...hash.toString(16).padStart(16, '0')].map((digit) => alphabet[digit.charCodeAt(0) % alphabet.length]).join('')
  }
  fc.assert(fc.property(fc.array(fc.string({ unit: 'binary' })), (parts) => hashedName('web', parts) === `web-${suffixOf(parts.join(''))}`))
})

test('a renamed copy keeps its wire name, because the display name decides', () => {
  const labels = { 'kuma.io/display-name': 'web', 'kuma.io/zone': 'zone-b' }
  assert.equal(kdsName({ mesh: 'default', name: 'web-d4974dwdwbz7bfx5', labels }), 'web-d4974dwdwbz7bfx5')
})

test('a long name is cut so that the whole stays within 253', () => {
  const name = kdsName({ mesh: 'default', name: 'a'.repeat(253), labels: {} })
  assert.equal(name.length, 253)
  assert.ok(name.startsWith(`${'a'.repeat(236)}-`))
})

const label = (max: number): fc.Arbitrary<string> =>
  fc.stringMatching(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, { maxLength: max }).filter((text) => text.length > 0 && text.length <= max)
const name = fc.array(label(63), { minLength: 1, maxLength: 5 }).map((parts) =>
  parts
    .join('.')
    .slice(0, 253)
    .replace(/[-.]+$/, ''),
)
const place = fc.record({
  mesh: fc.oneof(fc.constant(''), label(63)),
  zone: fc.option(label(63), { nil: undefined }),
  namespace: fc.option(label(63), { nil: undefined }),
})
type Place = typeof place extends fc.Arbitrary<infer P> ? P : never
const wireName = (shown: string, { mesh, zone, namespace }: Place, stored = shown): string =>
  kdsName({
    mesh,
    name: stored,
    labels: {
      ...(stored === shown ? {} : { 'kuma.io/display-name': shown }),
      ...(zone === undefined ? {} : { 'kuma.io/zone': zone }),
      ...(namespace === undefined ? {} : { 'k8s.kuma.io/namespace': namespace }),
    },
  })

test('every wire name is a DNS name within its limits, and the same wherever it is computed', () => {
  fc.assert(
    fc.property(name, place, (shown, at) => {
      const wire = wireName(shown, at)
      assert.ok(Buffer.byteLength(wire) <= 253, wire)
      assert.ok(isRfc1123Subdomain(wire) || shown.length > 236, wire)
      assert.equal(wire.slice(0, -17), shown.slice(0, 236))
      assert.match(wire.slice(-17), /^-[b-df-hj-np-tv-xz24-9]{16}$/)
      assert.equal(wireName(shown, at, wire), wire, 'of the copy that carries the wire name')
    }),
    { numRuns: 500 },
  )
})

test('mesh, zone, namespace and name each tell resources apart', () => {
  fc.assert(
    fc.property(name, place, name, label(63), (shown, at, other, text) => {
      const wire = wireName(shown, at)
      if (other !== shown) assert.notEqual(wireName(other, at), wire)
      for (const key of ['mesh', 'zone', 'namespace'] as const) {
        // joined without separators, so moving text from one part to the next is no change; replacing one is
        if (at[key] !== text && (at[key] ?? '') !== '') assert.notEqual(wireName(shown, { ...at, [key]: text }), wire, key)
      }
    }),
    { numRuns: 500 },
  )
})

test('three zones and more share a display name without a clash', () => {
  fc.assert(
    fc.property(name, label(63), fc.uniqueArray(label(20), { minLength: 3, maxLength: 40 }), (shown, mesh, zones) => {
      const names = zones.map((zone) => wireName(shown, { mesh, zone, namespace: undefined }))
      assert.equal(new Set(names).size, zones.length)
    }),
  )
})

test('names that differ behind the cut keep apart by their hash', () => {
  const at = { mesh: 'default', zone: 'zone-1', namespace: undefined }
  const names = Array.from({ length: 17 }, (_, index) => wireName(`${'a'.repeat(236)}${'b'.repeat(index)}`, at))
  assert.equal(new Set(names).size, 17)
})
