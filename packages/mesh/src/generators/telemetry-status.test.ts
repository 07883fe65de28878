import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { field, listField } from '@weft/foundation/json'
import { createWorld } from '../world.fixture.ts'

const ref = (name: string): object => ({
  type: 'OpenTelemetry',
  openTelemetry: { backendRef: { kind: 'MeshOpenTelemetryBackend', labels: { 'kuma.io/display-name': name } } },
})

describe('conditions of telemetry', () => {
  it('follow collectors and the policies that refer to them', async () => {
    await using world = await createWorld()
    const conditions = (type: string, name: string): readonly (readonly unknown[])[] =>
      listField(world.get(type, name).status, 'conditions').map((each) => [
        field(each, 'type'),
        field(each, 'status'),
        field(each, 'message'),
      ])
    await world.put('MeshMetric', 'twice', { spec: { default: { backends: [ref('late'), ref('late')] } } })
    await world.put('MeshMetric', 'deep', { spec: { to: [{ default: { backends: [ref('late'), ref('never'), { type: 'File' }] } }] } })
    await world.put('MeshMetric', 'plain', { spec: { default: { backends: [] } } })
    await world.mesh.settled()
    const missing = 'Unresolved MeshOpenTelemetryBackend references: kuma.io/display-name='
    assert.deepEqual(conditions('MeshMetric', 'twice'), [['BackendRefsResolved', 'False', `${missing}late`]])
    assert.deepEqual(conditions('MeshMetric', 'deep'), [['BackendRefsResolved', 'False', `${missing}late, kuma.io/display-name=never`]])
    assert.deepEqual(conditions('MeshMetric', 'plain'), [])

    await world.put('MeshOpenTelemetryBackend', 'late', { spec: { endpoint: { address: 'collector' } } })
    await world.mesh.settled()
    const all = 'All MeshOpenTelemetryBackend references are resolved'
    assert.deepEqual(conditions('MeshMetric', 'twice'), [['BackendRefsResolved', 'True', all]])
    assert.deepEqual(conditions('MeshMetric', 'deep'), [['BackendRefsResolved', 'False', `${missing}never`]])
    const late = (): readonly (readonly unknown[])[] => conditions('MeshOpenTelemetryBackend', 'late')
    assert.deepEqual(late(), [['ReferencedByPolicies', 'True', 'Referenced by 3 policy backend(s)']])

    await world.remove('MeshMetric', 'twice')
    await world.remove('MeshMetric', 'deep')
    await world.mesh.settled()
    assert.deepEqual(late(), [['ReferencedByPolicies', 'False', 'Not referenced by any observability policy']])
  })
})
