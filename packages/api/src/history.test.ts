import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { type DurableStore, openEmbeddedStore, strictStore } from '@weft/store'
import { type Role, type Scene, timeout, withApi } from './api-scene.fixture.ts'

interface HistoryScene extends Scene {
  readonly kept: DurableStore
  readonly at: FakeClock
  rollback(body: object): ReturnType<Scene['ask']>
}

/** An API over an embedded store with a mesh in it. */
async function withHistory(role: Role, body: (scene: HistoryScene) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-api-history-'))
  const at = new FakeClock()
  const kept = await openEmbeddedStore({ dir, clock: at, log: silentLogger, sealedTypes: ['Secret', 'GlobalSecret'] })
  try {
    await withApi({ role, deps: { store: strictStore(kept), history: kept.history } }, async (scene) => {
      if (role !== 'zone') await scene.put('/meshes/m', { type: 'Mesh', name: 'm', skipCreatingInitialPolicies: ['*'] })
      await body({ ...scene, kept, at, rollback: (wanted) => scene.ask('POST', '/_weft/history/rollback', { body: wanted }) })
    })
  } finally {
    await kept.close()
    await rm(dir, { recursive: true, force: true })
  }
}

const path = '/meshes/m/meshtimeouts/slow'
const slow = (seconds: number, labels: Record<string, string> = {}) => ({
  ...timeout('slow', labels),
  spec: { targetRef: { kind: 'Mesh' }, to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${seconds}s` } }] },
})
const wait = (answer: { json: Record<string, any> }): unknown => answer.json['spec']?.to[0].default.connectionTimeout // oxlint-disable-line typescript/no-explicit-any -- of a test
const query = '?type=MeshTimeout&mesh=m&name=slow'

describe('history', () => {
  it('names who did what, newest first, page by page', () =>
    withHistory('global', async ({ put, get, delete: remove }) => {
      await put(path, slow(1))
      await put(path, slow(2))
      await remove(path)
      const { json } = await get(`/_weft/history${query}&limit=2`)
      assert.deepEqual(
        json['items'].map(({ action, actor, name }: Record<string, string>) => [action, actor, name]),
        [
          ['delete', 'user:mesh-system:admin', 'slow'],
          ['update', 'user:mesh-system:admin', 'slow'],
        ],
      )
      const rest = await get(`/_weft/history${query}&before=${json['next']}`)
      assert.deepEqual([rest.json['items'].map(({ action }: { action: string }) => action), rest.json['next']], [['create'], null])
    }))

  it('what is asked wrongly is told so, and only administrators may ask', () =>
    withHistory('global', async ({ get, ask, rollback, kept }) => {
      for (const url of [
        '?limit=0',
        '?limit=1001',
        '?limit=x',
        '?before=-1',
        '/diff',
        '/diff?type=Nonsense&name=n',
        '/diff?type=MeshTimeout&name=n',
      ])
        assert.equal((await get(`/_weft/history${url}`)).status, 400, url)
      assert.equal((await get('/_weft/history/diff?type=MeshTimeout&mesh=m&name=none')).status, 404)
      for (const body of [
        '',
        'x',
        [],
        {},
        { mesh: 'm' },
        { mesh: 'm', to: 'yesterday' },
        { mesh: 'm', to: kept.seq + 1 },
        { meshes: 'm', to: 1 },
        { type: 'MeshTimeout', to: 1 },
      ])
        assert.equal((await ask('POST', '/_weft/history/rollback', { body })).status, 400, JSON.stringify(body))
      assert.equal((await rollback({ type: 'MeshTimeout', mesh: 'm', name: 'none', to: 1 })).status, 404)
      for (const url of ['/_weft/history', '/_weft/history/diff', '/_weft/audit/verify'])
        assert.equal((await ask('GET', url, { from: '10.0.0.1' })).status, 403, url)
      assert.equal((await ask('POST', '/_weft/history/rollback', { body: { mesh: 'm', to: 1 }, from: '10.0.0.1' })).status, 403)
    }))

  it('a store in memory has none, and says so', () =>
    withApi({}, async ({ get }) => {
      const answer = await get('/_weft/history')
      assert.equal(answer.status, 501)
      assert.match(answer.json['detail'], /in memory only/)
    }))

  it('the difference of any two versions, by default what the last change did', () =>
    withHistory('global', async ({ put, get, kept }) => {
      await put(path, slow(1))
      const first = kept.seq
      await put(path, slow(2))
      await put(path, slow(3))
      const last = await get(`/_weft/history/diff${query}`)
      const field = '/spec/to/0/default/connectionTimeout'
      assert.deepEqual(last.json['operations'], [
        { op: 'test', path: field, value: '2s' },
        { op: 'remove', path: field, value: '2s' },
        { op: 'add', path: field, value: '3s' },
      ])
      const whole = await get(`/_weft/history/diff${query}&from=${first}`)
      assert.equal(whole.json['operations'][0].value, '1s')
      const birth = await get(`/_weft/history/diff${query}&from=${first - 1}&to=${first}`)
      assert.equal(birth.json['from'].document, null)
      assert.equal(birth.json['to'].document.type, 'MeshTimeout')
    }))

  it('secrets are compared by digest', () =>
    withHistory('global', async ({ put, get, store }) => {
      const secret = (value: string) => ({ type: 'Secret', mesh: 'm', name: 's', data: Buffer.from(value).toString('base64') })
      await put('/meshes/m/secrets/s', secret('one'))
      await put('/meshes/m/secrets/s', secret('two'))
      const answer = await get('/_weft/history/diff?type=Secret&mesh=m&name=s')
      const operations: { path: string; value: string }[] = answer.json['operations']
      assert.deepEqual(
        operations.map((operation) => operation.path),
        ['/digest', '/digest', '/digest'],
      )
      assert.ok(operations.every(({ value }) => /^[0-9a-f]{16}$/.test(value)))
      assert.ok(store.get({ type: 'Secret', mesh: 'm', name: 's' }))
      assert.doesNotMatch(answer.text, /b25l|dHdv/)
    }))
})

describe('rollback', () => {
  it('of a resource: to any version, back into being, and out of it', () =>
    withHistory('global', async ({ put, get, delete: remove, rollback, kept }) => {
      const before = kept.seq
      await put(path, slow(1))
      const first = kept.seq
      await put(path, slow(2))
      await remove(path)
      const key = { type: 'MeshTimeout', mesh: 'm', name: 'slow' }
      const dry = await rollback({ ...key, to: first, dryRun: true })
      assert.deepEqual([dry.json['changes'][0].action, dry.json['dryRun'], (await get(path)).status], ['create', true, 404])
      await rollback({ ...key, to: first })
      assert.equal(wait(await get(path)), '1s')
      await rollback({ ...key, to: first + 1 })
      assert.equal(wait(await get(path)), '2s')
      const gone = await rollback({ ...key, to: before })
      assert.deepEqual([gone.json['changes'][0].action, (await get(path)).status], ['delete', 404])
      const [entry] = await kept.history.entries({ order: 'newest', limit: 1 })
      assert.deepEqual([entry?.actor, entry?.reason], ['user:mesh-system:admin', `rollback to ${before}`])
      const nothing = await rollback({ ...key, to: kept.seq - 1, dryRun: false })
      assert.equal(nothing.json['changes'].length, 1, 'a rollback can be taken back')
    }))

  it('of a mesh to a time: what people changed, in one transaction, and nothing else', () =>
    withHistory('standalone', async ({ put, get, delete: remove, rollback, kept, at, store }) => {
      at.advance(1000)
      await put(path, slow(1))
      await put('/meshes/m/meshtimeouts/gone', timeout('gone'))
      at.advance(1000)
      const time = new Date(at.now()).toISOString()
      at.advance(1000)
      await put(path, slow(9))
      await remove('/meshes/m/meshtimeouts/gone')
      await put('/meshes/m/meshtimeouts/new', timeout('new'))
      await put('/meshes/other', { type: 'Mesh', name: 'other' })
      const generated = { type: 'MeshService', mesh: 'm', name: 'generated', labels: {}, spec: {} }
      await store.transact([{ op: 'put', resource: generated }], { actor: 'generator:mesh-service', reason: 'generate', class: 'desired' })
      const batches: number[] = []
      store.watch(store.seq, (changes) => batches.push(changes.length))
      const answer = await rollback({ mesh: 'm', to: time })
      assert.deepEqual(
        answer.json['changes'].map(({ action, name }: Record<string, string>) => [action, name]),
        [
          ['update', 'slow'],
          ['create', 'gone'],
          ['delete', 'new'],
        ],
      )
      assert.deepEqual(answer.json['leftOut'], [])
      assert.deepEqual(batches, [3])
      assert.equal(wait(await get(path)), '1s')
      assert.ok(store.get({ type: 'MeshService', mesh: 'm', name: 'generated' }))
      assert.ok(store.get({ type: 'Mesh', mesh: '', name: 'other' }))
      assert.equal((await kept.history.verify()).ok, true)
    }))

  it('brings a deleted mesh back with its policies and its key', () =>
    withHistory('global', async ({ put, get, delete: remove, rollback, kept, store }) => {
      await put(path, slow(1))
      const seq = kept.seq
      const secret = store.list('Secret', 'm').map(({ spec }) => spec)
      await remove('/meshes/m')
      assert.equal((await get(path)).status, 404)
      const { json } = await rollback({ mesh: 'm', to: seq })
      assert.equal(json['changes'][0].type, 'Mesh')
      assert.equal(wait(await get(path)), '1s')
      assert.deepEqual(
        store.list('Secret', 'm').map(({ spec }) => spec),
        secret,
      )
      assert.doesNotMatch(JSON.stringify(json), /UEVN/, 'the key is not in the answer')
    }))

  it('never deletes the mesh itself, and names what it leaves out', () =>
    withHistory('global', async ({ rollback, seed, kept, store }) => {
      const owned = { type: 'MeshTimeout', mesh: 'm', name: 'of-zone', labels: { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east' } }
      await seed({ ...owned, spec: slow(1).spec })
      const seq = kept.seq
      await store.transact([{ op: 'delete', key: owned }], { actor: 'user:ann', reason: 'api', class: 'desired' })
      const { json } = await rollback({ mesh: 'm', to: seq })
      assert.deepEqual([json['changes'], json['leftOut'][0].name], [[], 'of-zone'])
      const all = await rollback({ mesh: 'm', to: 0 })
      assert.match(all.json['leftOut'].find(({ type }: { type: string }) => type === 'Mesh').reason, /never deleted by a rollback/)
      assert.ok(store.get({ type: 'Mesh', mesh: '', name: 'm' }))
    }))

  it('before the history begins nothing is known', () =>
    withHistory('global', async ({ rollback, deps }) => {
      const history = { ...deps.history, start: async () => 2 }
      Object.assign(deps, { history })
      const answer = await rollback({ mesh: 'm', to: 1 })
      assert.equal(answer.status, 400)
      assert.match(answer.json['detail'], /history begins after change 2/)
    }))
})
