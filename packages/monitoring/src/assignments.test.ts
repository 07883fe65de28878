import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createGraph, type Graph, type Source } from '@weft/graph'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { DataplaneFact } from '@weft/mesh'
import type { Resource } from '@weft/resources'
import { createMonitoringAssignments, type MonitoringAssignments } from './assignments.ts'

interface World {
  readonly graph: Graph
  readonly dataplanes: Source<DataplaneFact>
  readonly policies: Source<Resource>
  readonly assignments: MonitoringAssignments
  readonly changes: () => number
}

function world(): World {
  const graph = createGraph({ log: silentLogger, clock: new FakeClock() })
  const dataplanes = graph.source<DataplaneFact>('dataplanes')
  const policies = graph.source<Resource>('MeshMetric')
  const assignments = createMonitoringAssignments({ graph, mesh: { dataplanes, resources: () => policies } })
  graph.start()
  let changes = 0
  assignments.onChange(() => changes++)
  return { graph, dataplanes, policies, assignments, changes: () => changes }
}

const dataplane = (name: string, more: Partial<DataplaneFact> = {}): DataplaneFact => ({
  key: `default/${name}`,
  mesh: 'default',
  name,
  displayName: name,
  zone: 'east',
  workload: '',
  creationTime: '2026-01-01T00:00:00Z',
  labels: { app: name },
  address: '10.0.0.1',
  gateway: true,
  inbounds: [],
  writtenProtocols: [],
  zoneListeners: [],
  outbounds: [],
  redirects: false,
  reachable: undefined,
  ...more,
})
const policy = (name: string, backends: readonly object[], targetRef?: object): Resource => ({
  type: 'MeshMetric',
  mesh: 'default',
  name,
  labels: {},
  spec: { ...(targetRef ? { targetRef } : {}), default: { backends } },
  version: 1,
  creationTime: '2026-01-01T00:00:00Z',
  modificationTime: '2026-01-01T00:00:00Z',
})
const prometheus = (more: object = {}): object => ({ type: 'Prometheus', prometheus: { port: 5670, path: '/metrics', ...more } })
const addresses = (world: World, clientId = ''): readonly string[] =>
  world.assignments.of(clientId).assignments.flatMap(({ targets }) => targets.map(({ address }) => address))

describe('monitoring assignments', () => {
  test('one for each dataplane that a MeshMetric with a Prometheus backend selects', () => {
    const it = world()
    it.graph.transact('all', () => {
      it.dataplanes.set('default/web-2', dataplane('web-2', { workload: 'web', address: '10.0.0.2' }))
      it.dataplanes.set('default/web-1', dataplane('web-1', { workload: 'web', address: 'fd00::1' }))
      it.dataplanes.set('default/db', dataplane('db'))
      it.dataplanes.set('other/web-1', dataplane('web-1', { key: 'other/web-1', mesh: 'other' }))
      it.policies.set(
        'default/web',
        policy('web', [prometheus({ tls: { mode: 'ProvidedTLS' } })], { kind: 'Dataplane', labels: { app: 'web-2' } }),
      )
      it.policies.set(
        'default/one',
        policy('one', [prometheus(), { type: 'OpenTelemetry' }], { kind: 'Dataplane', labels: { app: 'web-1' } }),
      )
    })
    assert.deepEqual(it.assignments.of('anyone').assignments, [
      {
        mesh: 'default',
        service: 'web',
        targets: [{ name: 'web-1', scheme: 'http', address: '[fd00::1]:5670', metrics_path: '/metrics' }],
      },
      {
        mesh: 'default',
        service: 'web',
        targets: [{ name: 'web-2', scheme: 'https', address: '10.0.0.2:5670', metrics_path: '/metrics' }],
      },
    ])
  })

  test('a client gets the backends that name it, any other those that name none', () => {
    const it = world()
    it.graph.transact('all', () => {
      it.dataplanes.set('default/db', dataplane('db'))
      it.policies.set(
        'default/all',
        policy('all', [prometheus({ clientId: 'main', port: 1 }), prometheus({ port: 2 }), prometheus({ clientId: 'spare', port: 3 })]),
      )
    })
    assert.deepEqual(addresses(it, 'main'), ['10.0.0.1:1'])
    assert.deepEqual(addresses(it, 'spare'), ['10.0.0.1:3'])
    assert.deepEqual(addresses(it, 'prometheus-0'), ['10.0.0.1:2'])
    assert.deepEqual(addresses(it), ['10.0.0.1:2'])
    assert.equal(it.assignments.of('main').assignments[0]?.service, 'unknown', 'it has no workload')
  })

  test('the version is that of the content: it changes with it, and comes back with it', () => {
    const it = world()
    it.graph.transact('all', () => {
      it.dataplanes.set('default/db', dataplane('db'))
      it.policies.set('default/all', policy('all', [prometheus()]))
    })
    const first = it.assignments.of('').version
    const before = it.changes()
    it.graph.transact('a dataplane that looks the same', () =>
      it.dataplanes.set('default/db', dataplane('db', { labels: { app: 'other' } })),
    )
    assert.deepEqual([it.assignments.of('').version, it.changes()], [first, before])
    it.graph.transact('another address', () => it.dataplanes.set('default/db', dataplane('db', { address: '10.0.0.9' })))
    assert.notEqual(it.assignments.of('').version, first)
    assert.equal(it.changes(), before + 1)
    it.graph.transact('back', () => it.dataplanes.set('default/db', dataplane('db')))
    assert.equal(it.assignments.of('').version, first)
    it.graph.transact('none', () => it.policies.delete('default/all'))
    assert.deepEqual(it.assignments.of('').assignments, [])
  })
})
