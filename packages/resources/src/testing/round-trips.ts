// The properties every kind's encodings must have, run over generated specs.
import { canonicalJson } from '@weft/foundation/schema'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { decodeKdsResource, encodeKdsResource } from '../codecs/kds-any.ts'
import { decodeRest, encodeRest } from '../codecs/rest-json.ts'
import { checkSpec } from '../codecs/spec-json.ts'
import { isJsonKind, type ResourceDescriptor } from '../descriptor.ts'
import { arbitraryFor } from './arbitrary-for.ts'

/** Checks REST and KDS round trips of generated resources of a kind; throws with a counterexample. */
export function checkRoundTrips(kind: ResourceDescriptor, runs = 50): void {
  const options = { proto: !isJsonKind(kind) }
  const status = kind.status === undefined ? fc.constant(undefined) : arbitraryFor(kind.status, { proto: false })
  fc.assert(
    fc.property(arbitraryFor(kind.spec, options), status, (spec, state) => {
      const checked = checkSpec(kind, spec)
      assert.deepEqual(checked.violations, [])
      assert.equal(canonicalJson(checked.value), canonicalJson(spec), 'the generator makes canonical values')

      const mesh = kind.scope === 'Mesh' ? 'default' : ''
      const meta = {
        type: kind.type,
        mesh,
        name: 'x',
        labels: { 'kuma.io/zone': 'east', app: 'web' },
        creationTime: '',
        modificationTime: '',
        version: 0,
      }
      const body: unknown = JSON.parse(
        JSON.stringify(encodeRest(kind, { ...meta, spec: checked.value, ...(state === undefined ? {} : { status: state }) })),
      )
      const back = decodeRest(kind, body)
      assert.deepEqual([back.violations, back.unknown], [[], []])
      assert.equal(canonicalJson(back.spec), canonicalJson(spec))
      assert.deepEqual([back.type, back.mesh, back.name, back.labels], [kind.type, mesh, 'x', meta.labels])

      const sent = { name: 'x-hash', mesh, labels: meta.labels, spec: checked.value, ...(state === undefined ? {} : { status: state }) }
      const bytes = encodeKdsResource(kind, sent)
      const received = decodeKdsResource(kind, bytes)
      assert.equal(canonicalJson(received), canonicalJson(sent))
      assert.deepEqual(encodeKdsResource(kind, received), bytes, 'equal resources have equal bytes')
    }),
    { numRuns: runs },
  )
}

/** Feeds arbitrary JSON and arbitrary bytes to a kind's decoders: they answer or throw AppError, nothing else. */
export function checkHostileInput(kind: ResourceDescriptor, runs = 50): void {
  const tolerated = (run: () => unknown): void => {
    try {
      run()
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'AppError') throw error
    }
  }
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, maxDepth: 3 }), fc.uint8Array({ maxLength: 60 }), (value, bytes) => {
      checkSpec(kind, value)
      tolerated(() => decodeRest(kind, { type: kind.type, spec: value }))
      tolerated(() => decodeRest(kind, value))
      tolerated(() => decodeKdsResource(kind, bytes))
    }),
    { numRuns: runs },
  )
}
