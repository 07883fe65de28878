import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codec } from '@weft/proto'
import fc from 'fast-check'
import { encodeLoadAssignment, loadAssignmentDraft, type PlacedEndpoint, settleOutOfReach } from './load-assignment.ts'
import { stringStruct } from './values.ts'

const assignmentCodec = codec('envoy.config.endpoint.v3.ClusterLoadAssignment')

function endpoint(override: Partial<PlacedEndpoint> = {}): PlacedEndpoint {
  return { address: '10.0.0.1', port: 80, zone: 'a', priority: 0, weight: 1, health: 'HEALTHY', metadata: { app: 'x' }, ...override }
}

/** The same message through one plain encode. */
function plainBytes(name: string, endpoints: readonly PlacedEndpoint[]): Uint8Array {
  const draft = loadAssignmentDraft(name, endpoints)
  return assignmentCodec.encode({
    clusterName: name,
    endpoints: draft.localities.map((locality) => ({
      ...(locality.zone === '' ? {} : { locality: { zone: locality.zone } }),
      lbEndpoints: locality.endpoints.map((one) => ({
        endpoint: { address: { socketAddress: { address: one.address, portValue: one.port } } },
        ...(one.health === 'DEGRADED' ? { healthStatus: 5 as const } : {}),
        ...(Object.keys(one.metadata).length === 0
          ? {}
          : {
              metadata: {
                filterMetadata: { 'envoy.lb': stringStruct(one.metadata), 'envoy.transport_socket_match': stringStruct(one.metadata) },
              },
            }),
        loadBalancingWeight: { value: one.weight },
      })),
      ...(locality.priority === 0 ? {} : { priority: locality.priority }),
    })),
    ...(draft.overprovisioningFactor === undefined ? {} : { policy: { overprovisioningFactor: { value: draft.overprovisioningFactor } } }),
  })
}

const endpoints = fc.array(
  fc.record({
    address: fc.ipV4(),
    port: fc.integer({ min: 1, max: 65535 }),
    zone: fc.constantFrom('', 'a', 'b'),
    priority: fc.constantFrom(0, 1, 2),
    weight: fc.integer({ min: 1, max: 0xffffffff }),
    health: fc.constantFrom('HEALTHY' as const, 'DEGRADED' as const),
    metadata: fc.dictionary(fc.constantFrom('__proto__', 'constructor', 'app', 'version'), fc.string(), { noNullPrototype: true }),
  }),
  { maxLength: 12 },
)

describe('load assignments', () => {
  test('the framed path gives the bytes of a plain encode', () => {
    fc.assert(
      fc.property(fc.string(), endpoints, (name, list) => {
        assert.deepEqual(Buffer.from(encodeLoadAssignment(loadAssignmentDraft(name, list))), Buffer.from(plainBytes(name, list)))
      }),
    )
  })

  const settled = (list: readonly ReturnType<typeof endpoint>[]): unknown => {
    const draft = loadAssignmentDraft('c', list)
    settleOutOfReach(draft)
    return draft.localities.map((locality) => [locality.priority, locality.zone, locality.endpoints.map((one) => one.port)])
  }

  test('what is out of reach goes behind the rest, at the next priority', () => {
    const near = endpoint({ zone: 'a', port: 1 })
    const far = endpoint({ zone: 'b', priority: 1, port: 2 })
    const lost = endpoint({ zone: 'c', priority: 1, port: 3, outOfReach: 'behind' })
    assert.deepEqual(settled([near, far, lost]), [
      [0, 'a', [1]],
      [1, 'b', [2]],
      [2, 'c', [3]],
    ])
    assert.deepEqual(settled([near, lost]), [
      [0, 'a', [1]],
      [1, 'c', [3]],
    ])
    assert.deepEqual(settled([lost]), [[1, 'c', [3]]])
    assert.deepEqual(settled([{ ...far, zone: 'c' }, lost]), [
      [1, 'c', [2]],
      [2, 'c', [3]],
    ])
  })

  test('what may leave leaves only when something healthy stays', () => {
    const lost = endpoint({ zone: 'c', priority: 1, port: 3, outOfReach: 'leave' })
    const near = endpoint({ zone: 'a', port: 1 })
    assert.deepEqual(settled([near, lost]), [[0, 'a', [1]]])
    assert.deepEqual(settled([{ ...near, health: 'DEGRADED' }, lost]), [
      [0, 'a', [1]],
      [1, 'c', [3]],
    ])
    assert.deepEqual(settled([lost]), [[1, 'c', [3]]])
    assert.deepEqual(settled([]), [])
  })

  test('endpoints are grouped by priority, then zone, and keep their order within a group', () => {
    const draft = loadAssignmentDraft('c', [
      endpoint({ zone: 'b', priority: 1, port: 1 }),
      endpoint({ zone: 'a', port: 2 }),
      endpoint({ zone: 'a', priority: 1, port: 3 }),
      endpoint({ zone: 'b', priority: 1, port: 4 }),
    ])
    assert.deepEqual(
      draft.localities.map((locality) => [locality.priority, locality.zone, locality.endpoints.map((one) => one.port)]),
      [
        [0, 'a', [2]],
        [1, 'a', [3]],
        [1, 'b', [1, 4]],
      ],
    )
  })

  test('a degraded endpoint brings the factor that keeps traffic on the healthy ones', () => {
    const json = assignmentCodec.toJson(
      assignmentCodec.decode(encodeLoadAssignment(loadAssignmentDraft('c', [endpoint(), endpoint({ port: 81, health: 'DEGRADED' })]))),
    )
    assert.deepEqual(json, {
      clusterName: 'c',
      endpoints: [
        {
          locality: { zone: 'a' },
          lbEndpoints: [lbEndpoint(80, {}), lbEndpoint(81, { healthStatus: 'DEGRADED' })],
        },
      ],
      policy: { overprovisioningFactor: 10_000 },
    })
    assert.equal(loadAssignmentDraft('c', [endpoint()]).overprovisioningFactor, undefined)
  })

  test('no endpoints is a message with a name alone', () => {
    assert.deepEqual(assignmentCodec.toJson(assignmentCodec.decode(encodeLoadAssignment(loadAssignmentDraft('c', [])))), {
      clusterName: 'c',
    })
  })

  test('an endpoint without a known zone has no locality', () => {
    const decoded = assignmentCodec.decode(encodeLoadAssignment(loadAssignmentDraft('c', [endpoint({ zone: '' })])))
    assert.equal(decoded.endpoints?.[0]?.locality, undefined)
  })
})

function lbEndpoint(port: number, more: object): object {
  return {
    endpoint: { address: { socketAddress: { address: '10.0.0.1', portValue: port } } },
    metadata: { filterMetadata: { 'envoy.lb': { app: 'x' }, 'envoy.transport_socket_match': { app: 'x' } } },
    loadBalancingWeight: 1,
    ...more,
  }
}
