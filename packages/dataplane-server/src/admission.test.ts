import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError, hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMemoryStore } from '@weft/store'
import { admit } from './admission.ts'
import { readNode } from './node-metadata.ts'
import { dataplaneText, mesh, nodeOf, put } from './testing/server-fixture.ts'

const hello = readNode(nodeOf('a', { 'dataplane.resource': dataplaneText('a') }))

async function setUp(arriving?: () => Promise<void> | undefined) {
  const store = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
  await put(store, { type: 'Mesh', mesh: '', name: mesh, labels: {}, spec: {} })
  const answers: (AppError | undefined)[] = []
  let asked = 0
  const authenticator = {
    authenticate: async () => {
      asked += 1
      const error = answers.shift()
      if (error) throw error
    },
  }
  const settings = { zone: 'east', federated: true, environment: 'universal' } as const
  const spiffe = { zone: 'east', environment: 'universal' } as const
  const options = { store, authenticator, settings, spiffe, ...(arriving ? { arriving } : {}) }
  return { answers, admitted: () => admit(hello, { credentials: ['t'], address: '10.0.0.9' }, options), asked: () => asked }
}
const keysMissing = new AppError('token/keys-missing', 'later', { retryable: true })

test('a proxy whose keys are on their way waits for them, once', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { answers, admitted, asked } = await setUp(() => promise)
  answers.push(keysMissing)
  const waiting = admitted()
  await new Promise((done) => setImmediate(done))
  assert.equal(asked(), 1)
  resolve()
  await waiting
  assert.equal(asked(), 2)
  answers.push(keysMissing, keysMissing)
  await assert.rejects(admitted(), (error) => hasCode(error, 'token/keys-missing'))
})

test('nobody waits when nothing is on its way, or for what waiting cannot mend', async () => {
  const none = await setUp(() => undefined)
  none.answers.push(keysMissing)
  await assert.rejects(none.admitted(), (error) => hasCode(error, 'token/keys-missing'))
  const never = await setUp(() => new Promise(() => {}))
  never.answers.push(new AppError('xds/unauthenticated', 'expired'))
  await assert.rejects(never.admitted(), (error) => hasCode(error, 'xds/unauthenticated'))
  assert.equal(never.asked(), 1)
})
