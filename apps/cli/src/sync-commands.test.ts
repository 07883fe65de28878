import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matrix, otherGlobal, pin, recovery, scene, seen, serveControlPlane, tracked, weft, zoneSync } from './control-plane.fixture.ts'

serveControlPlane()

test('sync is shown at global, for one zone with its types, and at a zone', async () => {
  const all = await weft(['sync', 'status'])
  assert.equal(all.code, 0, all.err)
  assert.match(all.out, /^ZONE +STATE +HEARD +PEER +TO ZONE +FROM ZONE/)
  assert.match(
    all.out,
    /east +Unknown \(9s\) +\d+[sm] ago +own +behind 12s +in sync +1 +2 +10\.0\.0\.1:4711 +MeshTimeout: bad duration \(\d+[sm] ago\)/,
  )
  const one = (await weft(['sync', 'status', 'east'])).out
  assert.match(one, /the zone refuses MeshTimeout/)
  assert.match(one, /Dataplane +- +- +- +7 +2 +-\nMeshTimeout +3 +2 +1 +- +- +bad duration/)
  assert.deepEqual(JSON.parse((await weft(['sync', 'status', 'east', '-o', 'json'])).out), zoneSync)
  assert.equal((await weft(['sync', 'status', 'north'])).code, 3)
  assert.match((await weft(['inspect', 'zones'])).out, /east +Unknown \(9s\) +9s ago/)
  scene.isGlobal = false
  const zone = (await weft(['sync', 'status'])).out
  scene.isGlobal = true
  assert.match(zone, /global:5685 +connected +\d+[sm] +own +400ms ago/)
  assert.match(zone, /lists still to come: Secret/)
})

test('changes are shown with how far they are in each zone', async () => {
  const done = await weft(['sync', 'changes', '--type', 'MeshTimeout', '-m', 'default'])
  assert.equal(done.code, 0, done.err)
  assert.equal(seen.at(-1)?.url, '/_weft/changes?limit=20&type=MeshTimeout&mesh=default')
  assert.equal(done.err, 'Warning: replica "b" does not answer\nWarning: another\n')
  assert.match(done.out, /41 +put +MeshTimeout +default +slow +\d+[sm] +east +acked, refused by 2 +13ms +40ms +61ms\n/)
  assert.match(done.out, /41 +put +MeshTimeout +default +slow +\d+[sm] +west +waiting +- +- +-\n40 +delete +Mesh +- +old +\d+[sm] +-/)
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
  scene.adoption = { pin, otherGlobal }
  scene.isGlobal = false
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
  scene.isGlobal = true
  assert.deepEqual(JSON.parse((await weft(['sync', 'adopt', '-o', 'json'])).out), scene.adoption)
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
  scene.comparedWith = { comparison: { types, unanswered: ['Secret'] } }
  const compared = (await weft(['sync', 'adopt'])).out
  assert.match(compared, /overwritten +MeshTimeout +2 +default\/a, default\/b\nkept, held +MeshTimeout +1 +default\/c\n/)
  assert.match(compared, /it did not list in time: Secret/)
  scene.comparedWith = { comparisonProblem: 'it listed nothing' }
  assert.match((await weft(['sync', 'adopt'])).out, /cannot be compared with: it listed nothing\n(.*\n)*MeshTimeout +7/)
  scene.comparedWith = {}
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
  assert.match(out, /east -> west 10\.0\.0\.1:1: unreachable for \d+[sm]; no connection; traffic moved in default/)
  assert.deepEqual(JSON.parse((await weft(['inspect', 'reachability', '-o', 'json'])).out), matrix)
})

test('what sync holds back is shown and decided, never by accident', async () => {
  assert.match((await weft(['sync', 'quarantine'])).out, /MeshTimeout +default +t1000 +by east +\d+[sm] +bad duration/)
  assert.match((await weft(['sync', 'held'])).out, /east +MeshTimeout +default +t0 +held +mass-deletion +\d+[sm]/)
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
  assert.match(shown.out, /^recovering, started \d+[sm] ago\nlists from global still to come: Secret\nMESH +PHASE/)
  assert.match(shown.out, /default +returning +2 +a, b, c, d, e and 1 more +2026-01-01T00:00:00.000Z/)
  assert.match(shown.out, /default\/a +trust-not-spread/)
  assert.deepEqual(JSON.parse((await weft(['recovery', 'status', '-o', 'json'])).out), recovery)
  const ended = await weft(['recovery', 'end'])
  assert.deepEqual([ended.code, ended.out], [0, 'recovery ended\n'])
  assert.ok(seen.some(({ method, url }) => method === 'DELETE' && url === '/_x/recovery'))
})
