import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminUser, anonymousUser, type ApiRequest, type ApiUser, defaultAccessRules, Problem } from '@weft/api'
import { AppError } from '@weft/foundation/errors'
import { adoptRoute } from './adopt-route.ts'

const pin = { clusterId: 'a', peer: 'own', lasting: true, address: 'global:5685', since: '2026-01-01T00:00:00Z', process: '' } as const

const otherGlobal = {
  code: 'kds/other-global',
  clusterId: 'b',
  peer: 'own',
  lasting: true,
  address: 'global:5685',
  since: '2026-01-01T00:00:00Z',
  owned: [],
  command: 'weft sync adopt',
} as const
const comparison = { clusterId: 'b', types: [], unanswered: [] }

function scene(compare?: () => Promise<typeof comparison>) {
  const adopted: [string, string][] = []
  const { handlers } = adoptRoute({
    sync: {
      adoption: () => ({ pin: { ...pin, clusterId: adopted.at(-1)?.[0] ?? 'a' }, ...(compare ? { otherGlobal } : {}) }),
      compare: compare ?? (() => Promise.reject(new Error('nobody asked'))),
      adopt: async (clusterId, actor) => {
        if (clusterId !== 'b') throw new AppError('kds/other-global', 'the global found at global:5685 is b')
        adopted.push([clusterId, actor])
      },
    },
    access: defaultAccessRules,
  })
  const call = async (
    method: 'GET' | 'POST',
    options: { readonly user?: ApiUser; readonly body?: string; readonly query?: string } = {},
  ): Promise<unknown> => {
    const request: ApiRequest = {
      method,
      param: () => '',
      query: new URLSearchParams(options.query),
      path: '/_weft/adopt',
      origin: 'http://127.0.0.1',
      body: options.body === undefined ? undefined : Buffer.from(options.body),
      user: options.user ?? adminUser,
      address: '127.0.0.1',
      header: () => '',
    }
    return (await handlers[method]?.(request))?.json
  }
  return { call, adopted }
}

const statusOf = (status: number) => (error: unknown) => error instanceof Problem && error.status === status

test('administrators adopt the global they name, and no other', async () => {
  const { call, adopted } = scene()
  assert.deepEqual(await call('GET'), { pin })
  await assert.rejects(call('POST', { body: '{"clusterId":"b"}', user: anonymousUser }), statusOf(403))
  await assert.rejects(call('POST', { body: '{"clusterId":"c"}' }), statusOf(409))
  assert.deepEqual(adopted, [])
  assert.deepEqual(await call('POST', { body: '{"clusterId":"b"}' }), { pin: { ...pin, clusterId: 'b' } })
  assert.deepEqual(adopted, [['b', `user:${adminUser.name}`]])
})

test('what adopting would do is told to administrators who ask, or why it cannot be told', async () => {
  const { call } = scene(async () => comparison)
  assert.deepEqual(await call('GET'), { pin, otherGlobal })
  assert.deepEqual(await call('GET', { query: 'compare=true' }), { pin, otherGlobal, comparison })
  await assert.rejects(call('GET', { query: 'compare=true', user: anonymousUser }), statusOf(403))
  const silent = scene(() => Promise.reject(new AppError('kds/not-connected', 'it listed nothing')))
  assert.deepEqual(await silent.call('GET', { query: 'compare=true' }), { pin, otherGlobal, comparisonProblem: 'it listed nothing' })
  assert.deepEqual(await scene().call('GET', { query: 'compare=true' }), { pin }, 'there is nothing to compare with')
})

test('a body of another shape adopts nothing', async () => {
  const { call, adopted } = scene()
  for (const body of [undefined, '', '{', '[]', '{}', '{"clusterId":""}', '{"clusterId":7}', '{"clusterId":"b","yes":true}'])
    await assert.rejects(call('POST', body === undefined ? {} : { body }), { code: 'api/bad-request' })
  assert.deepEqual(adopted, [])
})
