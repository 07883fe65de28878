import type { EndpointFact, LoadAssignmentFact } from '@weft/facts'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createLoadAssignments, type Placement } from './load-assignments.ts'

const endpoint: EndpointFact = { address: '10.0.0.1', port: 80, zone: 'zone-2', priority: 1, weight: 1, health: 'HEALTHY', metadata: {} }
const fact: LoadAssignmentFact = { id: 'backend', endpoints: [endpoint] }
const flat: Placement = {
  key: 'flat',
  arrange: (draft) => {
    for (const locality of draft.localities) locality.priority = 0
  },
}

describe('load assignments by placement', () => {
  test('clients with equal placements share a cell, others have their own', () => {
    let encodes = 0
    const assignments = createLoadAssignments(() => encodes++)
    assignments.set(fact)
    const plain = assignments.cell('backend', 'backend')
    const placed = assignments.cell('backend', 'backend', flat)
    assert.equal(assignments.cell('backend', 'backend', { ...flat }), placed)
    assert.notEqual(placed, plain)
    assert.notEqual(placed.current?.version, plain.current?.version)
    assert.equal(encodes, 2)
  })

  test('a changed endpoint is shown by every cell, in its own order', () => {
    const assignments = createLoadAssignments(() => {})
    assignments.set(fact)
    const plain = assignments.cell('backend', 'backend')
    const placed = assignments.cell('backend', 'backend', flat)
    const before = [plain.current?.version, placed.current?.version]
    assignments.set({ id: 'backend', endpoints: [{ ...endpoint, address: '10.0.0.2' }] })
    const after = [plain.current?.version, placed.current?.version]
    assert.equal(new Set([...before, ...after]).size, 4)
  })
})
