import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

const resources = {
  resources: [
    { name: 'Mesh', scope: 'Global', path: 'meshes', shortName: 'm' },
    { name: 'MeshTimeout', scope: 'Mesh', path: 'meshtimeouts', shortName: 'mt' },
  ],
}
const recovery = {
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
const zoneSync = {
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
const matrix = {
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
const policy = { type: 'MeshTimeout', mesh: 'default' }
const heldItem = { origin: 'east', ...policy, name: 't0', reason: 'mass-deletion', state: 'held', since: agoMs(3_000) }
const refusedItem = { peer: 'east', refused: 'there', ...policy, name: 't1000', reason: 'bad duration', since: agoMs(3_000), certain: true }
const tracked = {
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
const pin = { clusterId: 'cluster-a', peer: 'own', lasting: true, address: 'a:5685', since: '2026-01-01T00:00:00Z' }
const otherGlobal = {
  code: 'kds/other-global',
  clusterId: 'cluster-b',
  peer: 'stock',
  address: 'global:5685',
  since: agoMs(60_000),
  owned: [{ type: 'MeshTimeout', count: 7, names: ['default/a', 'default/b'] }],
  command: 'weft sync adopt --cluster-id cluster-b --yes',
}
/** What the zone answers about its global. */
let adoption: object = { pin }
let comparedWith: object = {}
let isGlobal = true
const seen: { method: string; url: string; body: string }[] = []

function answer(request: IncomingMessage, response: ServerResponse, body: string): void {
  seen.push({ method: request.method ?? '', url: request.url ?? '', body })
  const json = (status: number, value: unknown): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const url = request.url ?? ''
  if (url === '/_resources') return json(200, resources)
  if (url === '/_weft/sync') return json(200, isGlobal ? { zones: [zoneSync] } : { global: { ...globalSync, ...adoption } })
  if (url === '/_weft/adopt?compare=true') return json(200, { ...adoption, ...comparedWith })
  if (url === '/_weft/adopt') return json(200, request.method === 'POST' ? { pin: { ...pin, clusterId: 'cluster-b' } } : adoption)
  if (url === '/_weft/reachability') return json(200, matrix)
  if (url === '/_weft/sync/east') return json(200, zoneSync)
  if (url.startsWith('/zones/_overview')) {
    const liveness = { state: 'Unknown', ageMs: 9_400 }
    return json(200, { total: 1, items: [{ name: 'east', zone: {}, liveness }], next: null })
  }
  if (url === '/_weft/trust') return json(200, { mode: 'global', items: trusts })
  if (url.startsWith('/_weft/trust/approvals')) return json(200, { zones: ['east', 'west'] })
  if (url === '/config') return json(200, isGlobal ? { mode: 'global' } : { mode: 'zone', multizone: { zone: { name: 'west' } } })
  if (request.method === 'GET' && url.startsWith('/meshes/default/meshtrusts'))
    return json(200, { total: 3, items: meshTrusts, next: null })
  if (url === '/_x/recovery') return json(200, recovery)
  if (url === '/_weft/sync/rejoin') return json(200, { state: 'connecting' })
  if (url.startsWith('/_weft/held/')) return json(200, { count: 3 })
  if (url.startsWith('/_weft/held')) return json(200, { total: 1, items: [heldItem] })
  if (url.startsWith('/_weft/changes')) return json(200, tracked)
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
before(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  // an address of a listening TCP server is always an object
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => server.close())

function weft(args: readonly string[], input = ''): Promise<{ code: number | null; out: string; err: string }> {
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

test('apply sends each document, prints what happened and names dropped fields', async () => {
  const done = await weft(
    ['apply', '-f', '-', '-v', 'n=slow'],
    'type: Mesh\nname: default\n---\ntype: MeshTimeout\nname: "{{ n }}"\nspec: {colour: red}\n',
  )
  assert.equal(done.code, 0, done.err)
  assert.equal(done.out, 'Mesh default created\nMeshTimeout default/slow created\n')
  assert.match(done.err, /unknown field spec\.colour/)
  assert.ok(seen.some((r) => r.method === 'PUT' && r.url === '/meshes/default/meshtimeouts/slow' && r.body.includes('"mesh":"default"')))
})

test('apply sends nothing when any document is bad', async () => {
  seen.length = 0
  const done = await weft(['apply', '-f', '-'], 'type: Mesh\nname: default\n---\ntype: Nonsense\nname: x\n')
  assert.equal(done.code, 2)
  assert.match(done.err, /no resource type "Nonsense"/)
  assert.ok(seen.every((r) => r.method === 'GET'))
})

test('a refusal shows the words and fields of the control plane and exits 1', async () => {
  const done = await weft(['apply', '-f', '-'], 'type: MeshTimeout\nname: bad\n')
  assert.equal(done.code, 1)
  assert.match(done.err, /MeshTimeout default\/bad: Could not process a resource \(Resource is not valid\)\n {2}spec\.to: must be defined/)
})

test('get follows pages, prints a table or JSON, and exits 3 when there is nothing by that name', async () => {
  const listed = await weft(['get', 'mt'])
  assert.match(
    listed.out,
    /MESH +NAME +ORIGIN +ZONE +AGE +SYNC\ndefault +t0 +global +- +- +held\ndefault +t1000 +global +- +- +refused by east: bad/,
  )
  const json: unknown = JSON.parse((await weft(['get', 'MeshTimeout', '-o', 'json'])).out)
  assert.equal(typeof json === 'object' && json !== null && 'total' in json ? json.total : undefined, 2)
  assert.equal((await weft(['get', 'meshtimeout', 'gone'])).code, 3)
})

test('sync is shown at global, for one zone with its types, and at a zone', async () => {
  const all = await weft(['sync', 'status'])
  assert.equal(all.code, 0, all.err)
  assert.match(all.out, /^ZONE +STATE +HEARD +PEER +TO ZONE +FROM ZONE/)
  assert.match(
    all.out,
    /east +Unknown \(9s\) +\d+s ago +own +behind 12s +in sync +1 +2 +10\.0\.0\.1:4711 +MeshTimeout: bad duration \(\d+s ago\)/,
  )
  const one = (await weft(['sync', 'status', 'east'])).out
  assert.match(one, /the zone refuses MeshTimeout/)
  assert.match(one, /Dataplane +- +- +- +7 +2 +-\nMeshTimeout +3 +2 +1 +- +- +bad duration/)
  assert.deepEqual(JSON.parse((await weft(['sync', 'status', 'east', '-o', 'json'])).out), zoneSync)
  assert.equal((await weft(['sync', 'status', 'north'])).code, 3)
  assert.match((await weft(['inspect', 'zones'])).out, /east +Unknown \(9s\) +9s ago/)
  isGlobal = false
  const zone = (await weft(['sync', 'status'])).out
  isGlobal = true
  assert.match(zone, /global:5685 +connected +\d+s +own +400ms ago/)
  assert.match(zone, /lists still to come: Secret/)
})

test('changes are shown with how far they are in each zone', async () => {
  const done = await weft(['sync', 'changes', '--type', 'MeshTimeout', '-m', 'default'])
  assert.equal(done.code, 0, done.err)
  assert.equal(seen.at(-1)?.url, '/_weft/changes?limit=20&type=MeshTimeout&mesh=default')
  assert.match(done.out, /41 +put +MeshTimeout +default +slow +\d+s +east +acked, refused by 2 +13ms +40ms +61ms\n/)
  assert.match(done.out, /41 +put +MeshTimeout +default +slow +\d+s +west +waiting +- +- +-\n40 +delete +Mesh +- +old +\d+s +-/)
  assert.match(done.out, / {2}default\/web-1: unanswered, waited for since change 41\n {2}default\/web-2: refused\n/)
  assert.deepEqual(JSON.parse((await weft(['sync', 'changes', '-o', 'json'])).out), tracked)
})

test('a zone is told to take its place back', async () => {
  assert.deepEqual([(await weft(['sync', 'rejoin'])).code, seen.at(-1)?.method, seen.at(-1)?.url], [0, 'POST', '/_weft/sync/rejoin'])
})

test('another global is shown with what is at stake, and adopted only when that is meant', async () => {
  assert.match((await weft(['sync', 'adopt'])).out, /^belongs to global cluster-a \(own\) since .*; no other global answers\n$/)
  const nothing = await weft(['sync', 'adopt', '--yes'])
  assert.deepEqual([nothing.code, /nothing to adopt/.test(nothing.err)], [2, true])
  adoption = { pin, otherGlobal }
  isGlobal = false
  for (const command of [
    ['sync', 'status'],
    ['sync', 'adopt'],
  ]) {
    const { out } = await weft(command)
    assert.match(out, /belongs to global cluster-a \(own\) since 2026-01-01T00:00:00Z, last found at a:5685/)
    assert.match(out, /another global answers at global:5685: cluster-b \(stock\), for \d+[sm]/)
    assert.match(out, /kds\/other-global: nothing is taken/)
    assert.match(out, /MeshTimeout +7 +default\/a, default\/b, \.\.\./)
    assert.match(out, /to adopt it: weft sync adopt --cluster-id cluster-b --yes/)
  }
  isGlobal = true
  assert.deepEqual(JSON.parse((await weft(['sync', 'adopt', '-o', 'json'])).out), adoption)
  const none = { count: 0, names: [] }
  const types = [
    {
      type: 'MeshTimeout',
      overwritten: { count: 2, names: ['default/a', 'default/b'] },
      added: none,
      held: { count: 1, names: ['default/c'] },
      refused: none,
    },
  ]
  comparedWith = { comparison: { types, unanswered: ['Secret'] } }
  const compared = (await weft(['sync', 'adopt'])).out
  assert.match(compared, /overwritten +MeshTimeout +2 +default\/a, default\/b\nkept, held +MeshTimeout +1 +default\/c\n/)
  assert.match(compared, /it did not list in time: Secret/)
  comparedWith = { comparisonProblem: 'it listed nothing' }
  assert.match((await weft(['sync', 'adopt'])).out, /cannot be compared with: it listed nothing\n(.*\n)*MeshTimeout +7/)
  comparedWith = {}
  const asked = seen.length
  assert.equal((await weft(['sync', 'adopt', '--cluster-id', 'cluster-c', '--yes'])).code, 2)
  assert.equal(
    seen.slice(asked).some(({ method }) => method === 'POST'),
    false,
  )
  const done = await weft(['sync', 'adopt', '--yes'])
  assert.deepEqual([done.code, JSON.parse(seen.at(-1)?.body ?? '')], [0, { clusterId: 'cluster-b' }])
  assert.match(done.out, /belongs to global cluster-b/)
})

test('reachability is shown as a matrix, with what is not well', async () => {
  const { out } = await weft(['inspect', 'reachability'])
  assert.match(out, /^FROM \/ TO +east +north +west\neast +\. +reachable 12ms +unreachable \(1 of 2\)\nnorth +not told +\. +not told\n/)
  assert.match(out, /east -> west 10\.0\.0\.1:1: unreachable for \d+s; no connection; traffic moved in default/)
  assert.deepEqual(JSON.parse((await weft(['inspect', 'reachability', '-o', 'json'])).out), matrix)
})

test('what sync holds back is shown and decided, never by accident', async () => {
  assert.match((await weft(['sync', 'quarantine'])).out, /MeshTimeout +default +t1000 +by east +\d+s +bad duration/)
  assert.match((await weft(['sync', 'held'])).out, /east +MeshTimeout +default +t0 +held +mass-deletion +\d+s/)
  const done = await weft(['sync', 'approve', '--origin', 'east', '--type', 'MeshTimeout'])
  assert.deepEqual([done.code, done.out], [0, '3 deleted\n'])
  assert.deepEqual(JSON.parse(seen.at(-1)?.body ?? ''), { origin: 'east', type: 'MeshTimeout' })
  assert.equal((await weft(['sync', 'reject', '--all'])).out, '3 kept\n')
  assert.equal(seen.at(-1)?.url, '/_weft/held/reject')
  assert.equal((await weft(['sync', 'approve'])).code, 2)
})

test('recovery is shown and ended', async () => {
  const shown = await weft(['recovery', 'status'])
  assert.equal(shown.code, 0, shown.err)
  assert.match(shown.out, /^recovering, started \d+s ago\nlists from global still to come: Secret\nMESH +PHASE/)
  assert.match(shown.out, /default +returning +2 +a, b, c, d, e and 1 more +2026-01-01T00:00:00.000Z/)
  assert.match(shown.out, /default\/a +trust-not-spread/)
  assert.deepEqual(JSON.parse((await weft(['recovery', 'status', '-o', 'json'])).out), recovery)
  const ended = await weft(['recovery', 'end'])
  assert.deepEqual([ended.code, ended.out], [0, 'recovery ended\n'])
  assert.ok(seen.some(({ method, url }) => method === 'DELETE' && url === '/_x/recovery'))
})

test('an unreachable control plane and wrong usage are told apart', async () => {
  const gone = await weft(['--address', 'http://127.0.0.1:1', 'get', 'meshes'])
  assert.equal(gone.code, 1)
  assert.match(gone.err, /cannot reach the control plane at http:\/\/127\.0\.0\.1:1/)
  assert.equal((await weft(['apply'])).code, 2)
  const help = await weft(['--help'])
  assert.equal(help.code, 0)
  assert.match(help.out, /Examples:/)
})

void test('explain shows policies, authors of fields, endpoints and who may call', async () => {
  const { code, out } = await weft(['explain', 'dataplane', 'web', '--policy', 'mt', '--to', 'api', '--at', 'east'])
  assert.equal(code, 0)
  assert.equal(seen.at(-1)?.url, '/meshes/default/dataplanes/web/_explain?policy=mt&to=api&at=east')
  assert.match(out, /^dataplane web in zone east, identity spiffe:\/\/a\/web$/m)
  assert.match(out, /^ {2}not other: its labels differ$/m)
  assert.match(out, /idleTimeout +"3s" +kri_slow +kri_weak/)
  assert.match(out, /10\.0\.0\.2:8080 +east +0 +1 +HEALTHY +near/)
  assert.match(out, /left out dataplane b: it is draining/)
  assert.match(out, /call denied in zone east at a\/http: no rule allows the caller/)
})

void test('translate works on files alone, and fails after printing when a document is wrong', async () => {
  const mesh = 'type: Mesh\nname: default\n'
  const dataplane =
    '---\ntype: Dataplane\nmesh: default\nname: a\nlabels: {kuma.io/workload: a}\nnetworking: {address: 10.0.0.1, inbound: [{port: 80, protocol: http}]}\n'
  const good = await weft(['translate', '-f', '-'], mesh + dataplane)
  assert.equal(good.code, 0, good.err)
  assert.match(good.out, /^default\/a +1 +0/m)
  const bad = await weft(['translate', '-f', '-', '--show', 'facts', '-o', 'json'], `${mesh}${dataplane}---\ntype: Nothing\nname: x\n`)
  assert.equal(bad.code, 1)
  assert.match(bad.err, /stdin\[2\]: unknown resource type "Nothing"/)
  assert.ok(Object.hasOwn(JSON.parse(bad.out), 'default/a'))
  assert.equal((await weft(['translate', '-f', '-', '--show', 'nothing'], mesh)).code, 2)
})

test('trust shows whose roots reach the others, and approves a shared domain', async () => {
  isGlobal = true
  const shown = await weft(['trust', 'status'])
  assert.match(shown.out, /default\s+corp\.example\s+east\s+needs-approval\s+1\s+2036-01-01/)
  assert.doesNotMatch(shown.out, /published/)
  seen.length = 0
  const done = await weft(['trust', 'approve', 'corp.example', '--zone', 'east', 'west'])
  assert.equal(done.out, 'approved: corp.example in mesh default for east, west\n')
  await weft(['trust', 'approve', 'corp.example', '--revoke'])
  assert.deepEqual(
    seen.map(({ method, url, body }) => [method, url, body]),
    [
      ['POST', '/_weft/trust/approvals', '{"mesh":"default","trustDomain":"corp.example","zones":["east","west"]}'],
      ['DELETE', '/_weft/trust/approvals?mesh=default&trustDomain=corp.example', ''],
    ],
  )
})

test('trust export prints what a zone made itself; apply labels it for where it goes, never back into its zone', async () => {
  isGlobal = true
  assert.equal((await weft(['trust', 'export'])).code, 2)
  isGlobal = false
  const { out, code } = await weft(['trust', 'export'])
  assert.equal(code, 0)
  assert.match(out, /name: trust-of-west-identity/)
  assert.doesNotMatch(out, /trustDomain: [en]$/m)
  seen.length = 0
  assert.match((await weft(['trust', 'apply'], out)).out, /skipped: it is this zone's own/)
  assert.deepEqual(
    seen.filter(({ method }) => method === 'PUT'),
    [],
  )
  isGlobal = true
  assert.equal((await weft(['trust', 'apply'], out)).out, 'MeshTrust default/trust-of-west-identity created\n')
  const sent = seen.find(({ method }) => method === 'PUT')
  assert.equal(sent?.url, '/meshes/default/meshtrusts/trust-of-west-identity')
  assert.deepEqual(JSON.parse(sent.body), {
    type: 'MeshTrust',
    mesh: 'default',
    name: 'trust-of-west-identity',
    labels: { 'weft.io/trust-of-zone': 'west', 'kuma.io/origin': 'global' },
    spec: { trustDomain: 'w' },
  })
  assert.equal((await weft(['trust', 'apply'], 'type: Mesh\nname: x\n')).code, 1)
})
