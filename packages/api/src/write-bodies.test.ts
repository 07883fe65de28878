import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { timeout, withApi } from './api-scene.fixture.ts'

const mesh = { type: 'Mesh', name: 'm' }

describe('bodies', () => {
  it('unreadable ones', () =>
    withApi({}, async ({ ask, put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const detail = async (body: string) => {
        const answer = await ask('PUT', '/meshes/m/meshtimeouts/t', { body })
        assert.deepEqual([answer.status, answer.json['title']], [400, 'Bad Request'])
        return answer.json['detail']
      }
      assert.equal(await detail('{,'), `invalid MeshTimeout object: "invalid character ',' looking for beginning of object key string"`)
      assert.equal(await detail(''), 'invalid MeshTimeout object: "unexpected end of JSON input"')
      assert.match(await detail('[]'), /a resource must be an object, not array/)
      assert.match(await detail('null'), /a resource must be an object, not null/)
      const bad = timeout('t')
      const answer = await put('/meshes/m/meshtimeouts/t', {
        ...bad,
        spec: { targetRef: { kind: 'Mesh' }, to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: 'bad' } }] },
      })
      assert.equal(answer.json['detail'], 'invalid MeshTimeout object: "time: invalid duration \\"bad\\""')
      assert.equal((await ask('PUT', '/meshes/m/meshtimeouts/t', { body: `${'['.repeat(200_000)}` })).status, 400)
    }))

  it('a wrong envelope: violations without a field for policies, an unreadable body for flat kinds', () =>
    withApi({}, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const answer = await put('/meshes/m/meshtimeouts/t', { type: 1, labels: { a: 1 } })
      assert.deepEqual([answer.status, answer.json['title']], [400, 'Could not process a resource'])
      assert.deepEqual(
        answer.json['causes'],
        [
          '.name in body is required',
          '.spec in body is required',
          'labels.a in body must be of type string: "number"',
          'type in body must be of type string: "number"',
        ].map((message) => ({ field: '', message })),
      )
      const flat = await put('/meshes/m', { type: 'Mesh', name: true })
      assert.equal(
        flat.json['detail'],
        'invalid Mesh object: "json: cannot unmarshal bool into Go struct field ResourceMeta.name of type string"',
      )
      const retry = await put('/meshes/m/meshtimeouts/t', { ...timeout('t'), type: 'MeshRetry' })
      assert.deepEqual(retry.json['causes'], [{ field: '', message: 'type in body should be one of [MeshTimeout]' }])
    }))

  it('name, type and mesh must be those of the URL; the mesh of the URL must exist', () =>
    withApi({}, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const answer = await put('/meshes/m/meshtimeouts/t', { ...timeout('u'), mesh: 'n' })
      assert.deepEqual(
        answer.json['invalid_parameters'].map(({ field }: { field: string }) => field),
        ['name', 'mesh'],
      )
      assert.deepEqual(answer.json['causes'][0], { field: 'name', message: 'name from the URL has to be the same as in body' })
      const lost = await put('/meshes/nomesh/meshtimeouts/t', timeout('t'))
      assert.deepEqual([lost.status, lost.json['title'], lost.json['detail']], [404, 'Failed to retrieve Mesh', 'Not found'])
    }))

  it('unknown fields are dropped with a warning, those of earlier releases without', () =>
    withApi({ role: 'standalone' }, async ({ put, seed, get }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const dataplane = {
        type: 'Dataplane',
        mesh: 'm',
        name: 'x',
        networking: { address: '10.0.0.1', inbound: [{ port: 80, tags: { a: 'b' } }] },
      }
      const quiet = await put('/meshes/m/dataplanes/x', dataplane)
      assert.deepEqual([quiet.status, quiet.json, quiet.headers['warning']], [201, {}, undefined])
      const loud = await put('/meshes/m/dataplanes/x', { ...dataplane, networkin: {}, 'naïve\r\nset-cookie: a': 1 })
      assert.equal(loud.status, 200)
      assert.deepEqual(loud.json['warnings'], [
        'unknown field networkin was dropped',
        'unknown field ["naïve\\r\\nset-cookie: a"] was dropped',
      ])
      assert.match(String(loud.headers['warning']), /^299 - "unknown field networkin was dropped", 299 - "unknown field \[\\"na\?ve/)
      assert.equal(loud.headers['set-cookie'], undefined)
      assert.deepEqual((await get('/meshes/m/dataplanes/x')).json['networking'], { address: '10.0.0.1', inbound: [{ port: 80 }] })
    }))

  it('a strict write refuses unknown fields by their paths, and takes what was read here', () =>
    withApi({}, async ({ put, get, store }) => {
      assert.equal((await put('/meshes/m', mesh)).status, 201)
      const before = store.seq
      const bad = timeout('t')
      const answer = await put('/meshes/m/meshtimeouts/t?strict=true', {
        ...bad,
        extra: 1,
        spec: { ...bad.spec, form: [], to: [{ targetRef: { kind: 'Mesh', naem: 'x' }, default: { connectionTimeout: '3s' } }] },
      })
      assert.equal(answer.status, 400)
      assert.deepEqual(
        answer.json['invalid_parameters'],
        ['extra', 'spec.form', 'spec.to[0].targetRef.naem'].map((field) => ({ field, reason: 'unknown field' })),
      )
      assert.equal((await put('/meshes/m?strict=true', { ...mesh, mtls: {} })).status, 400, 'retired fields too')
      assert.equal((await put('/meshes/m?strict=maybe', mesh)).status, 400)
      assert.equal(store.seq, before)
      const read = (await get('/meshes/m')).json
      assert.ok('meshServices' in read)
      assert.equal((await put('/meshes/m?strict=true', read)).status, 200)
      assert.equal((await put('/meshes/m/meshtimeouts/t?strict=false', { ...bad, extra: 1 })).status, 201)
    }))

  it('a status in a body is ignored, the stored one kept', () =>
    withApi({ role: 'standalone' }, async ({ put, seed, get, store }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const service = {
        type: 'MeshService',
        mesh: 'm',
        name: 's',
        spec: { selector: { dataplaneLabels: { matchLabels: { app: 'a' } } }, ports: [{ port: 80 }] },
        status: { vips: [{ ip: '1.2.3.4' }] },
      }
      await put('/meshes/m/meshservices/s', service)
      assert.equal((await get('/meshes/m/meshservices/s')).json['status']['vips'], undefined)
      const stored = store.get({ type: 'MeshService', mesh: 'm', name: 's' })
      await store.transact(
        [
          {
            op: 'put',
            resource: { ...service, labels: stored?.labels ?? {}, spec: stored?.spec, status: { vips: [{ ip: '241.0.0.1' }] } },
          },
        ],
        { actor: 't', reason: 't', class: 'observed' },
      )
      await put('/meshes/m/meshservices/s', service)
      assert.deepEqual((await get('/meshes/m/meshservices/s')).json['status'], { vips: [{ ip: '241.0.0.1' }] })
    }))
})
