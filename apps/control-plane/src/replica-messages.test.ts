// What is said of a replica that does not answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withWarnings } from '@weft/api'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import type { LeaseTerm, RequestHandler } from '@weft/replicas'
import { viewsOfOthers, writeMessage } from './replica-messages.ts'
import { byLeader } from './sync-of-replicas.ts'

const silence = 'nothing was heard of replica b: what only it knows is missing here'

/** Three replicas, of which b is silent. */
function scene() {
  const handlers = new Map<string, RequestHandler>()
  const presence = { members: () => ['a', 'b', 'c'].map((instanceId) => ({ instanceId })) }
  const at = (self: string) => ({
    self: { instanceId: self },
    presence,
    ask: async (to: string, { topic, body }: { readonly topic: string; readonly body: Uint8Array }) => {
      const handler = handlers.get(`${to} ${topic}`)
      if (!handler || to === 'b') throw new AppError('replicas/timeout', 'no answer')
      return handler(body, self)
    },
    serve: (topic: string, handler: RequestHandler) => void handlers.set(`${self} ${topic}`, handler),
  })
  return at
}

test('a view of all says whose is missing', async () => {
  const at = scene()
  for (const name of ['a', 'b', 'c']) at(name).serve('view', async () => writeMessage(name))
  const asked = { replicas: at('d'), topic: 'view', read: String, log: silentLogger, silence: 'a replica says nothing' }
  assert.deepEqual(await withWarnings(() => viewsOfOthers(asked)), { answer: ['a', 'c'], warnings: [silence] })
  const { warnings } = await withWarnings(() => viewsOfOthers({ ...asked, read: (answer) => (answer === 'a' ? 'a' : undefined) }))
  assert.deepEqual(warnings, [silence, silence.replace(' b:', ' c:')])
})

test('what the leader misses is said at whichever replica is asked', async () => {
  const at = scene()
  const of = (self: string, term: LeaseTerm | undefined) => {
    const replicas = at(self)
    return byLeader({ replicas, lease: { term, holder: 'a' } }, 'question', async (question: string) => {
      const views = await viewsOfOthers({ replicas, topic: 'view', read: String, log: silentLogger, silence: 'a replica says nothing' })
      return `${question} at ${self} without ${3 - views.length}`
    })
  }
  for (const name of ['a', 'c']) at(name).serve('view', async () => writeMessage(name))
  const [leader, other] = [of('a', { name: 'leader', epoch: 1, lost: new AbortController().signal }), of('c', undefined)]
  for (const asked of [leader, other])
    assert.deepEqual(await withWarnings(() => asked('asked')), { answer: 'asked at a without 1', warnings: [silence] })
})
