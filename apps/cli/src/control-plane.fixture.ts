// A control plane with answers of its own, and the command line run against it, for tests.
import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before } from 'node:test'

const resources = {
  resources: [
    { name: 'Mesh', scope: 'Global', path: 'meshes', shortName: 'm' },
    { name: 'MeshTimeout', scope: 'Mesh', path: 'meshtimeouts', shortName: 'mt' },
  ],
}
/** An answer, or a part of one. */
export const recovery = {
  recovering: true,
  since: new Date().toISOString(),
  unlisted: ['Secret'],
  meshes: [
    { mesh: 'default', phase: 'returning', proxies: 2, waitingFor: ['a', 'b', 'c', 'd', 'e', 'f'], until: '2026-01-01T00:00:00.000Z' },
  ],
  pendingCertificates: { total: 1, items: [{ proxy: 'default/a', kri: 'kri', reason: 'trust-not-spread' }] },
}
const explanation = {
  dataplane: { name: 'web', zone: 'east', spiffeId: 'spiffe://a/web' },
  policies: [
    {
      kind: 'MeshTimeout',
      selected: [{ name: 'slow', order: 1, role: 'system', origin: 'global', targetRef: { kind: 'Mesh' } }],
      notSelected: [{ name: 'other', reason: 'labels', message: 'its labels differ' }],
      to: [{ destination: 'kri_x', fields: [{ path: 'idleTimeout', value: '3s', from: ['kri_slow'], overridden: ['kri_weak'] }] }],
    },
  ],
  destinations: [
    {
      kri: 'kri_x',
      kind: 'MeshService',
      port: 80,
      protocol: 'http',
      reachable: true,
      hostnames: [],
      endpoints: [{ address: '10.0.0.2', port: 8080, zone: 'east', priority: 0, weight: 1, health: 'HEALTHY', message: 'near' }],
      leftOut: [{ what: 'dataplane b', message: 'it is draining' }],
      permission: [{ zone: 'east', dataplane: 'a', section: 'http', allowed: false, message: 'no rule allows the caller' }],
    },
  ],
}
const agoMs = (ms: number): string => new Date(Date.now() - ms).toISOString()
/** An answer, or a part of one. */
export const zoneSync = {
  zone: 'east',
  state: 'Unknown',
  ageMs: 9_400,
  reasons: ['the zone refuses MeshTimeout'],
  session: { peer: 'own', address: '10.0.0.1:4711' },
  sending: {
    cursor: { head: 9, accepted: 4, lagMs: 12_000 },
    types: [{ type: 'MeshTimeout', sent: 3, acknowledged: 2, rejected: 1, refusal: 'bad duration' }],
  },
  receiving: { cursor: { head: 5, accepted: 5, lagMs: 0 }, types: [{ type: 'Dataplane', applied: 7, refused: 2 }] },
  lastError: { time: agoMs(3_000), where: 'MeshTimeout', reason: 'bad duration' },
}
const globalSync = {
  address: 'global:5685',
  peer: 'own',
  state: 'connected',
  since: agoMs(60_000),
  pingAgeMs: 400,
  unlisted: ['Secret'],
  sending: { types: [] },
  receiving: { types: [] },
}
const trusts = [
  {
    mesh: 'default',
    displayName: 'identity',
    trustDomain: 'corp.example',
    zone: 'east',
    state: 'needs-approval',
    roots: [{ fingerprint: 'ab', notAfter: '2036-01-01T00:00:00.000Z' }],
  },
  { mesh: 'other', displayName: 'identity', trustDomain: 'x', zone: 'east', state: 'published', roots: [] },
]
const meshTrusts = [
  {
    type: 'MeshTrust',
    mesh: 'default',
    name: 'identity',
    labels: { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'west' },
    spec: { trustDomain: 'w' },
  },
  { type: 'MeshTrust', mesh: 'default', name: 'zone-east-abc', labels: { 'kuma.io/origin': 'global' }, spec: { trustDomain: 'e' } },
  {
    type: 'MeshTrust',
    mesh: 'default',
    name: 'trust-of-north-identity',
    labels: { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'west', 'weft.io/trust-of-zone': 'north' },
    spec: { trustDomain: 'n' },
  },
]
/** An answer, or a part of one. */
export const matrix = {
  rows: [
    {
      zone: 'east',
      told: true,
      entries: [
        { zone: 'north', address: '10.0.0.3:1', state: 'reachable', since: agoMs(0), roundTripMs: 12, movedMeshes: [] },
        {
          zone: 'west',
          address: '10.0.0.1:1',
          state: 'unreachable',
          since: agoMs(40_000),
          problem: 'no connection',
          movedMeshes: ['default'],
        },
        { zone: 'west', address: '10.0.0.2:1', state: 'reachable', since: agoMs(0), movedMeshes: [] },
      ],
    },
    { zone: 'north', told: false, entries: [] },
  ],
}
/** An answer, or a part of one. */
export const policy = { type: 'MeshTimeout', mesh: 'default' }
const heldItem = { origin: 'east', ...policy, name: 't0', reason: 'mass-deletion', state: 'held', since: agoMs(3_000) }
const refusedItem = { peer: 'east', refused: 'there', ...policy, name: 't1000', reason: 'bad duration', since: agoMs(3_000), certain: true }
/** An answer, or a part of one. */
export const tracked = {
  items: [
    {
      seq: 41,
      time: agoMs(3_000),
      op: 'put',
      ...policy,
      name: 'slow',
      zones: [
        { zone: 'east', state: 'acked', storedMs: 12.5, pushedMs: 40, ackedMs: 61, refusing: 2 },
        { zone: 'west', state: 'waiting' },
      ],
    },
    { seq: 40, time: agoMs(5_000), op: 'delete', type: 'Mesh', mesh: '', name: 'old', zones: [] },
  ],
  zones: [],
  proxies: [
    { proxy: 'default/web-1', what: 'unanswered', since: 41 },
    { proxy: 'default/web-2', what: 'refused' },
  ],
}
/** An answer, or a part of one. */
export const pin = { clusterId: 'cluster-a', peer: 'own', lasting: true, address: 'a:5685', since: '2026-01-01T00:00:00Z' }
/** An answer, or a part of one. */
export const otherGlobal = {
  code: 'kds/other-global',
  clusterId: 'cluster-b',
  peer: 'stock',
  address: 'global:5685',
  since: agoMs(60_000),
  owned: [{ type: 'MeshTimeout', count: 7, names: ['default/a', 'default/b'] }],
  command: 'weft sync adopt --cluster-id cluster-b --yes',
}
/** What a test may change: what the zone answers about its global, and whether the control plane is one. */
export const scene: { adoption: object; comparedWith: object; isGlobal: boolean } = { adoption: { pin }, comparedWith: {}, isGlobal: true }
/** Requests in the order they came. */
export const seen: { method: string; url: string; body: string }[] = []

function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
  seen.push({ method: request.method ?? '', url: request.url ?? '', body })
  const json = (status: number, value: unknown): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const url = request.url ?? ''
  if (url === '/_resources') return json(200, resources)
  if (url === '/_weft/sync') return json(200, scene.isGlobal ? { zones: [zoneSync] } : { global: { ...globalSync, ...scene.adoption } })
  if (url === '/_weft/adopt?compare=true') return json(200, { ...scene.adoption, ...scene.comparedWith })
  if (url === '/_weft/adopt') return json(200, request.method === 'POST' ? { pin: { ...pin, clusterId: 'cluster-b' } } : scene.adoption)
  if (url === '/_weft/reachability') return json(200, matrix)
  if (url === '/_weft/sync/east') return json(200, zoneSync)
  if (url.startsWith('/zones/_overview')) {
    const liveness = { state: 'Unknown', ageMs: 9_400 }
    return json(200, { total: 1, items: [{ name: 'east', zone: {}, liveness }], next: null })
  }
  if (url === '/_weft/trust') return json(200, { mode: 'global', items: trusts })
  if (url.startsWith('/_weft/trust/approvals')) return json(200, { zones: ['east', 'west'] })
  if (url === '/config') return json(200, scene.isGlobal ? { mode: 'global' } : { mode: 'zone', multizone: { zone: { name: 'west' } } })
  if (request.method === 'GET' && url.startsWith('/meshes/default/meshtrusts'))
    return json(200, { total: 3, items: meshTrusts, next: null })
  if (url === '/_x/recovery') return json(200, recovery)
  if (url === '/_weft/sync/rejoin') return json(200, { state: 'connecting' })
  if (url.startsWith('/_weft/held/')) return json(200, { count: 3 })
  if (url.startsWith('/_weft/held')) return json(200, { total: 1, items: [heldItem] })
  if (url.startsWith('/_weft/changes')) {
    response.setHeader('warning', '299 - "replica \\"b\\" does not answer", 299 - "another", 299 - "cut \\')
    return json(200, tracked)
  }
  if (url.startsWith('/_weft/quarantine')) return json(200, { total: 1, items: [refusedItem] })
  if (url.startsWith('/meshes/default/dataplanes/web/_explain')) return json(200, explanation)
  if (url.startsWith('/meshes/default/meshtimeouts/bad')) {
    const parameters = [{ field: 'spec.to', reason: 'must be defined' }]
    return json(400, { title: 'Could not process a resource', detail: 'Resource is not valid', invalid_parameters: parameters })
  }
  if (request.method === 'PUT') return json(201, { warnings: ['unknown field spec.colour was dropped'] })
  if (url.startsWith('/meshes/default/meshtimeouts/gone')) return json(404, { title: 'Could not retrieve a resource', detail: 'Not found' })
  if (url.startsWith('/meshes/default/meshtimeouts')) {
    const offset = Number(new URL(url, 'http://x').searchParams.get('offset'))
    const item = { type: 'MeshTimeout', mesh: 'default', name: `t${offset}`, labels: { 'kuma.io/origin': 'global' } }
    return json(200, { total: 2, items: [item], next: offset === 0 ? 'http://x/more' : null })
  }
  json(404, { title: 'Could not retrieve a resource', detail: 'Not found' })
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => answer(request, response, Buffer.concat(chunks).toString()))
})
let address = ''

/** Serves the control plane while the tests of a file run. */
export function serveControlPlane(): void {
  before(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    // an address of a listening TCP server is always an object
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => server.close())
}

/** Runs the command line against it. */
export function weft(args: readonly string[], input = ''): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--address', address, ...args])
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.on('close', (code) => done({ code, out, err }))
    child.stdin.end(input)
  })
}
