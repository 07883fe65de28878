import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminUser, anonymousUser, type ApiRequest, type ApiUser, defaultAccessRules, Problem } from '@weft/api'
import type { ChangeReport, ChangeSelection, ChangeView } from '@weft/kds'
import { coreDescriptors, createRegistry } from '@weft/resources'
import { changeRoutes } from './change-routes.ts'

const change = (seq: number, type: string, name: string): ChangeView => ({
  seq,
  time: '2026-01-01T00:00:00Z',
  op: 'put',
  actor: 'user:test',
  type,
  mesh: type === 'Mesh' ? '' : 'default',
  name,
  zones: [{ zone: 'east', state: 'stored', storedMs: 5 }],
})
const kept = [change(4, 'MeshService', 'web'), change(3, 'Secret', 'key'), change(2, 'MeshService', 'db'), change(1, 'Mesh', 'default')]
const position = (type: string) => ({ type, sent: 4, stored: 4, pushed: 0, acked: 0, refusing: 0 })

async function ask(query = '', user: ApiUser = adminUser): Promise<ChangeReport> {
  const fits = ({ type, mesh, name }: ChangeView, wanted: ChangeSelection): boolean =>
    !wanted.without?.includes(type) && [wanted.type ?? type, wanted.mesh ?? mesh, wanted.name ?? name].join() === [type, mesh, name].join()
  const report = async (selection: ChangeSelection): Promise<ChangeReport> => ({
    items: kept.filter((each) => fits(each, selection)).slice(0, selection.limit),
    zones: [{ zone: 'east', types: ['MeshService', 'Secret'].map(position) }],
    proxies: [{ proxy: 'default/web-1', what: 'unanswered', since: 4 }],
  })
  const [route] = changeRoutes({ registry: createRegistry(coreDescriptors), access: defaultAccessRules, report })
  const request: ApiRequest = {
    method: 'GET',
    param: () => '',
    query: new URLSearchParams(query),
    path: '/_weft/changes',
    origin: 'http://127.0.0.1',
    body: undefined,
    user,
    address: '127.0.0.1',
    header: () => '',
  }
  const reply = await route?.handlers.GET?.(request)
  assert.ok(reply && 'json' in reply)
  // the handler's own reply
  return reply.json as ChangeReport
}

const seqs = async (query?: string, user?: ApiUser) => (await ask(query, user)).items.map(({ seq }) => seq)

test('the newest changes are shown, as many as asked for and only those that are meant', async () => {
  assert.deepEqual(await seqs(), [4, 3, 2, 1])
  assert.deepEqual(await seqs('limit=2'), [4, 3])
  assert.deepEqual(await seqs('type=MeshService&limit=1'), [4])
  assert.deepEqual(await seqs('mesh=default&name=db'), [2])
  assert.deepEqual(await seqs('type=Nonsense'), [])
  assert.deepEqual((await ask()).proxies, [{ proxy: 'default/web-1', what: 'unanswered', since: 4 }])
})

test('a limit that is none is refused', async () => {
  for (const limit of ['0', '-1', '1001', 'all', '1e3', '', '9999999999'])
    await assert.rejects(ask(`limit=${limit}`), (error) => error instanceof Problem && error.status === 400, limit)
})

test('names of secrets are for those who may read secrets', async () => {
  assert.deepEqual(await seqs('', anonymousUser), [4, 2, 1])
  const typesOf = async (user: ApiUser) => (await ask('', user)).zones[0]?.types.map(({ type }) => type)
  assert.deepEqual([await typesOf(anonymousUser), await typesOf(adminUser)], [['MeshService'], ['MeshService', 'Secret']])
})
