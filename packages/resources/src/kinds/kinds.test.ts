import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MeshServiceSpec, meshService, type DataplaneSpec, type MeshServiceStatus, type MeshTrustSpec } from '../index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const proves = <T extends true>(value: T): T => value

test('descriptors carry the types of their literals', () => {
  proves<Same<MeshServiceSpec['state'], 'Available' | 'Unavailable'>>(true)
  proves<Same<NonNullable<DataplaneSpec['networking']>['address'], string | undefined>>(true)
  proves<Same<MeshServiceStatus['tls'], { readonly status?: 'Ready' | 'NotReady' }>>(true)
  proves<Same<MeshTrustSpec['trustDomain'], string>>(true)
  assert.equal(meshService.short, 'msvc')
})
