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

function ask(query = '', user: ApiUser = adminUser): ChangeReport {
  const report = ({ limit, fits = () => true }: ChangeSelection): ChangeReport => ({
    items: kept.filter(fits).slice(0, limit),
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
  const reply = route?.handlers.GET?.(request)
  assert.ok(reply && 'json' in reply)
  // the handler's own reply
  return reply.json as ChangeReport
}

const seqs = (query?: string, user?: ApiUser) => ask(query, user).items.map(({ seq }) => seq)

test('the newest changes are shown, as many as asked for and only those that are meant', () => {
  assert.deepEqual(seqs(), [4, 3, 2, 1])
  assert.deepEqual(seqs('limit=2'), [4, 3])
  assert.deepEqual(seqs('type=MeshService&limit=1'), [4])
  assert.deepEqual(seqs('mesh=default&name=db'), [2])
  assert.deepEqual(seqs('type=Nonsense'), [])
  assert.deepEqual(ask().proxies, [{ proxy: 'default/web-1', what: 'unanswered', since: 4 }])
})

test('a limit that is none is refused', () => {
  for (const limit of ['0', '-1', '1001', 'all', '1e3', '', '9999999999'])
    assert.throws(
      () => ask(`limit=${limit}`),
      (error) => error instanceof Problem && error.status === 400,
      limit,
    )
})

test('names of secrets are for those who may read secrets', () => {
  assert.deepEqual(seqs('', anonymousUser), [4, 2, 1])
  const typesOf = (user: ApiUser) => ask('', user).zones[0]?.types.map(({ type }) => type)
  assert.deepEqual([typesOf(anonymousUser), typesOf(adminUser)], [['MeshService'], ['MeshService', 'Secret']])
})
