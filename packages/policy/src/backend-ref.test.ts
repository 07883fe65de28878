import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type BackendRef, backendRefHash, destinationLookup, parseBackendRef, resolveBackendRef } from './index.ts'
import { sampleDestination, samplePolicy } from './sample-policies.ts'

const policy = samplePolicy('p', {})
const ref = (over: Partial<BackendRef> = {}): BackendRef => ({
  kind: 'MeshService',
  labels: { 'kuma.io/display-name': 'backend' },
  section: '8080',
  weight: 1,
  ...over,
})

describe('backend references', () => {
  it('reads kind, labels, section and weight', () => {
    assert.deepEqual(parseBackendRef({ kind: 'MeshService', labels: { a: 'b' }, port: 80 }, policy), {
      kind: 'MeshService',
      labels: { a: 'b' },
      section: '80',
      weight: 1,
    })
    assert.equal(
      parseBackendRef({ kind: 'MeshService', labels: { a: 'b' }, port: 80, sectionName: 'http', weight: 0 }, policy)?.section,
      'http',
    )
    for (const bad of [
      { kind: 'Mesh' },
      { kind: 'MeshService' },
      { kind: 'MeshService', labels: {} },
      { kind: 'MeshHTTPRoute', labels: { a: 'b' } },
      null,
    ]) {
      assert.equal(parseBackendRef(bad, policy), undefined)
    }
  })

  it('adds the namespace of the policy to a bare display name only', () => {
    const inShop = samplePolicy('p', {}, { 'k8s.kuma.io/namespace': 'shop' })
    const labelsOf = (labels: object) => parseBackendRef({ kind: 'MeshService', labels, port: 80 }, inShop)?.labels
    assert.deepEqual(labelsOf({ 'kuma.io/display-name': 'a' }), { 'kuma.io/display-name': 'a', 'k8s.kuma.io/namespace': 'shop' })
    assert.deepEqual(labelsOf({ 'kuma.io/display-name': 'a', 'k8s.kuma.io/namespace': 'x' }), {
      'kuma.io/display-name': 'a',
      'k8s.kuma.io/namespace': 'x',
    })
    assert.deepEqual(labelsOf({ app: 'a' }), { app: 'a' })
  })

  it('finds a port by name and by number, and names the cluster as the reference is written', () => {
    const destination = sampleDestination()
    const lookup = destinationLookup([destination])
    assert.deepEqual(resolveBackendRef(ref({ section: 'http' }), lookup), { name: 'kri_msvc_default_zone-1__backend_http', destination })
    assert.deepEqual(resolveBackendRef(ref(), lookup), { name: 'kri_msvc_default_zone-1__backend_8080', destination })
    assert.equal(resolveBackendRef(ref({ section: '81' }), lookup), undefined)
    assert.equal(resolveBackendRef(ref({ kind: 'MeshExternalService' }), lookup), undefined)
    assert.equal(resolveBackendRef(ref({ section: undefined }), lookup)?.destination, destination)
  })

  it('takes the oldest of several, and does not look for the port elsewhere', () => {
    const labels = { app: 'x' }
    const young = sampleDestination({ name: 'young', labels, creationTime: '2026-02-01T00:00:00Z' })
    const old = sampleDestination({ name: 'old', labels, creationTime: '2026-01-01T00:00:00Z', port: 80, portName: 'web' })
    const lookup = destinationLookup([young, old])
    assert.equal(resolveBackendRef(ref({ labels, section: 'web' }), lookup)?.destination, old)
    assert.equal(resolveBackendRef(ref({ labels, section: '8080' }), lookup), undefined)
  })

  it('needs a port where there are several', () => {
    const lookup = destinationLookup([sampleDestination(), sampleDestination({ portName: 'admin', port: 9000 })])
    assert.equal(resolveBackendRef(ref({ section: undefined }), lookup), undefined)
  })

  it('has a hash that does not depend on the order of labels', () => {
    assert.equal(backendRefHash(ref({ labels: { b: '2', a: '1' } })), backendRefHash(ref({ labels: { a: '1', b: '2' } })))
    assert.equal(backendRefHash(ref({ labels: { a: '1' } })), 'MeshService/a=1/8080/')
  })
})
