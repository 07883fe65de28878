// What two replicas say of a policy that an Envoy refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import type { ReplicaRequest, RequestHandler } from '@weft/replicas'
import type { Resource } from '@weft/resources'
import { rejectionsOfReplicas } from './rejections-of-replicas.ts'

const time = '2026-01-01T00:00:00Z'
const resource = (type: string, name: string): Resource => ({
  type,
  mesh: 'default',
  name,
  labels: {},
  spec: { secret: 'of nobody else' },
  version: 1,
  creationTime: time,
  modificationTime: time,
})
const refusal = (message: string) => ({ policy: resource('MeshTimeout', 'slow'), instead: undefined, resources: ['web'], message })

/** Replicas by name; each remembers what it noticed, and has the streams of some proxies. */
function scene(memories: Readonly<Record<string, Readonly<Record<string, string>>>>, streams: ReadonlyMap<string, string>) {
  const handlers = new Map<string, RequestHandler>()
  const silent = new Set<string>()
  const asked: string[] = []
  const ask = async (to: string, from: string, { topic, body }: ReplicaRequest): Promise<Uint8Array> => {
    asked.push(`${to} ${topic}`)
    const handler = handlers.get(`${to} ${topic}`)
    if (!handler || silent.has(to)) throw new AppError('replicas/unreachable', `no ${to}`)
    return handler(body, from)
  }
  const names = Object.keys(memories)
  const at = Object.fromEntries(
    names.map((self) => {
      const others = names.filter((name) => name !== self).map((instanceId) => ({ instanceId }))
      const none = () => () => {}
      const rejections = rejectionsOfReplicas({
        replicas: {
          self: { instanceId: self },
          presence: { isUp: true, members: () => others, onMissing: none, onJoined: none, hold: none, holder: async () => undefined },
          ask: (to, request) => ask(to, self, request),
          askHolder: async (holding, request) => {
            const holder = streams.get(holding.slice('proxy/'.length))
            if (holder === undefined || holder === self) throw new AppError('replicas/no-holder', 'nobody')
            return ask(holder, self, request)
          },
          serve: (topic, handler) => void handlers.set(`${self} ${topic}`, handler),
        },
        local: {
          rejections: (key) => {
            const message = memories[self]?.[key]
            return message === undefined ? [] : [refusal(message)]
          },
        },
        proxies: () => ['default/web', 'default/db'],
        isHere: (key) => streams.get(key) === self,
        isHeld: (key) => streams.has(key),
        log: silentLogger,
      })
      const messages = async (name: string) => (await rejections.of(resource('Dataplane', name))).map(({ message }) => message)
      const listed = async () => [...(await rejections.all())].map(([key, [first]]) => `${key} ${first?.message}`).toSorted()
      return [self, { rejections, messages, listed }] as const
    }),
  )
  return { at, silent, asked }
}

test('both say what the one that serves the proxy knows, and not what is left of a stream that moved', async () => {
  const streams = new Map([
    ['default/web', 'b'],
    ['default/db', 'a'],
  ])
  const { at } = scene(
    { a: { 'default/web': 'old words' }, b: { 'default/web': 'no cluster is that slow', 'default/db': 'old words' } },
    streams,
  )
  for (const self of ['a', 'b']) {
    assert.deepEqual(await at[self]?.messages('web'), ['no cluster is that slow'], self)
    assert.deepEqual(await at[self]?.messages('db'), [], self)
    assert.deepEqual(await at[self]?.listed(), ['default/web no cluster is that slow'], self)
  }
})

test('of a proxy that is not connected the last words are told by whoever served it', async () => {
  const { at } = scene({ a: {}, b: { 'default/web': 'no cluster is that slow' } }, new Map())
  for (const self of ['a', 'b']) {
    assert.deepEqual(await at[self]?.messages('web'), ['no cluster is that slow'], self)
    assert.deepEqual(await at[self]?.listed(), ['default/web no cluster is that slow'], self)
  }
})

test('a replica that serves the proxy asks nobody, and one that is away is left out', async () => {
  const { at, silent, asked } = scene(
    { a: { 'default/web': 'ours' }, b: { 'default/db': 'theirs' } },
    new Map([
      ['default/web', 'a'],
      ['default/db', 'b'],
    ]),
  )
  assert.deepEqual(await at['a']?.messages('web'), ['ours'])
  assert.deepEqual(asked, [])
  silent.add('b')
  assert.deepEqual(await at['a']?.listed(), ['default/web ours'])
  assert.deepEqual(await at['a']?.messages('db'), [])
})

test('what travels is what is shown, not what the policy says', async () => {
  const { at } = scene({ a: {}, b: { 'default/web': 'words' } }, new Map([['default/web', 'b']]))
  assert.deepEqual(await at['a']?.rejections.of(resource('Dataplane', 'web')), [
    { policy: { type: 'MeshTimeout', mesh: 'default', name: 'slow', labels: {} }, hasEarlier: false, resources: ['web'], message: 'words' },
  ])
})
