import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scene, seen, serveControlPlane, weft } from './control-plane.fixture.ts'

serveControlPlane()

test('trust shows whose roots reach the others, and approves a shared domain', async () => {
  scene.isGlobal = true
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
  scene.isGlobal = true
  assert.equal((await weft(['trust', 'export'])).code, 2)
  scene.isGlobal = false
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
  scene.isGlobal = true
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
