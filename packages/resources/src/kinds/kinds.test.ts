import fc from 'fast-check'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  checkSpec,
  type DataplaneSpec,
  createRegistry,
  coreDescriptors,
  meshService,
  type MeshServiceSpec,
  type MeshServiceStatus,
  type MeshTrustSpec,
  validateResource,
} from '../index.ts'
import { arbitraryFor, checkRecordedViolations, type RecordedViolations } from '../testing/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const proves = <T extends true>(value: T): T => value
const registry = createRegistry(coreDescriptors)

test('descriptors carry the types of their literals', () => {
  proves<Same<MeshServiceSpec['state'], 'Available' | 'Unavailable'>>(true)
  proves<Same<NonNullable<DataplaneSpec['networking']>['address'], string | undefined>>(true)
  proves<Same<MeshServiceStatus['tls'], { readonly status?: 'Ready' | 'NotReady' }>>(true)
  proves<Same<MeshTrustSpec['trustDomain'], string>>(true)
  assert.equal(meshService.short, 'msvc')
})

test('the rules of every kind answer as the peer did', () => {
  const text = readFileSync(new URL('./cases/recorded-violations.json', import.meta.url), 'utf8')
  const cases: readonly RecordedViolations[] = JSON.parse(text)
  assert.ok(cases.length > 130)
  for (const recorded of cases) checkRecordedViolations(registry, recorded)
})

test('rules never throw, whatever passes the schema', () => {
  for (const kind of coreDescriptors) {
    fc.assert(
      fc.property(arbitraryFor(kind.spec, { proto: false }), (spec) => {
        const { value } = checkSpec(kind, spec)
        if (value !== undefined) validateResource(kind, { mesh: 'm', name: 'x', labels: {}, spec: value })
      }),
      { numRuns: 50 },
    )
  }
})

test('a secret that is no base64 is not repeated in the message', () => {
  const { violations } = checkSpec(registry.get('Secret') ?? assert.fail(), { data: 'hush hush' })
  assert.deepEqual(violations, [{ field: 'data', message: 'in body must be of type bytes' }])
})
