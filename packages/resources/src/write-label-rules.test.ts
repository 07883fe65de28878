import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  defineResource,
  immutableLabelViolations,
  mesh,
  meshExternalService,
  type ResourceDescriptor,
  writeLabelViolations,
  type WritePlace,
  zonedNameViolations,
} from './index.ts'

const global: WritePlace = { mode: 'global', zone: '', federated: false }
const zone: WritePlace = { mode: 'zone', zone: 'kuma-4', federated: true }
const standalone: WritePlace = { ...zone, federated: false }
const policy = defineResource({
  type: 'SomePolicy',
  scope: 'Mesh',
  display: { one: 'Policy', many: 'Policies' },
  sync: 'everywhere',
  wire: { spec: 'json' },
  policy: { order: 1, to: true, rules: true, single: false },
  spec: { type: 'object', properties: {} },
})
const lines = (kind: ResourceDescriptor, place: WritePlace, labels: Readonly<Record<string, string>>): readonly string[] =>
  writeLabelViolations(kind, { mesh: 'default', labels }, place).map(({ field, message }) => `${field} ${message}`)

test('global takes its own origin or none', () => {
  assert.deepEqual(lines(meshExternalService, global, {}), [])
  assert.deepEqual(lines(meshExternalService, global, { 'kuma.io/origin': 'global', 'kuma.io/zone': 'any' }), [])
  assert.deepEqual(lines(meshExternalService, { ...global, originUnchecked: true }, { 'kuma.io/origin': '' }), [])
  const wrong = `labels["kuma.io/origin"] the origin label must be set to 'global'`
  assert.deepEqual(lines(meshExternalService, global, { 'kuma.io/origin': 'zone' }), [wrong])
  assert.deepEqual(lines(meshExternalService, global, { 'kuma.io/origin': 'bogus' }), [
    `labels["kuma.io/origin"] unknown resource origin "bogus"`,
    wrong,
  ])
})

test('a federated zone wants its origin on JSON kinds, a standalone one does not care', () => {
  const wrong = `labels["kuma.io/origin"] the origin label must be set to 'zone'`
  assert.deepEqual(lines(meshExternalService, zone, {}), [wrong])
  assert.deepEqual(lines(meshExternalService, zone, { 'kuma.io/origin': 'global' }), [wrong])
  assert.deepEqual(lines(meshExternalService, zone, { 'kuma.io/origin': 'zone' }), [])
  assert.deepEqual(lines(mesh, zone, {}), [])
  assert.deepEqual(lines(meshExternalService, standalone, { 'kuma.io/origin': 'global' }), [])
  assert.deepEqual(lines(meshExternalService, { ...zone, originUnchecked: true }, {}), [])
})

test('zone, mesh and role labels must tell the truth', () => {
  const labels = { 'kuma.io/zone': 'other', 'kuma.io/mesh': 'other', 'kuma.io/policy-role': 'producer' }
  assert.deepEqual(lines(policy, standalone, labels), [
    'labels["kuma.io/zone"] kuma.io/zone label should have kuma-4 value',
    'labels["kuma.io/mesh"] kuma.io/mesh label must not differ from mesh set on resource',
    'labels["kuma.io/policy-role"] kuma.io/policy-role label should have system value, got producer',
  ])
  assert.deepEqual(lines(meshExternalService, standalone, { 'kuma.io/policy-role': 'producer' }), [])
  assert.deepEqual(lines(policy, standalone, { 'kuma.io/mesh': 'other', 'kuma.io/origin': 'global' }), [])
})

test('zone and origin never change', () => {
  assert.deepEqual(immutableLabelViolations({}, { 'kuma.io/zone': 'a' }), [])
  assert.deepEqual(
    immutableLabelViolations({ 'kuma.io/zone': 'a', 'kuma.io/origin': 'zone' }, { 'kuma.io/zone': 'b' }).map((item) => item.message),
    ['is immutable, cannot be changed from "a" to "b"', 'is immutable, cannot be removed (was "zone")'],
  )
})

test('names leave room for the zone', () => {
  assert.equal(zonedNameViolations('a'.repeat(246), zone).length, 1)
  assert.equal(zonedNameViolations('a'.repeat(245), zone).length, 0)
  assert.equal(zonedNameViolations('a'.repeat(252), standalone).length, 0)
})
