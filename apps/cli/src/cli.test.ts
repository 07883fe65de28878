import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seen, serveControlPlane, weft } from './control-plane.fixture.ts'

serveControlPlane()

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
