import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { silentLogger } from '@weft/foundation/log'
import { type Clock, FakeClock, systemClock } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import { createAdminBroker } from './admin-broker.ts'
import { maxAnswerBytes, maxUnpackedBytes, packAnswer, unpackAnswer } from './admin-payload.ts'
import { answerAdminRequest } from './admin-responder.ts'
import { federation, memberOf, memoryStore, until } from './testing/federation.ts'

const own = { 'kuma.io/origin': 'zone' }
const requests = codec('kuma.mesh.v1alpha1.XDSConfigRequest')
const answers = codec('kuma.mesh.v1alpha1.XDSConfigResponse')

/** Timers run and no time passes: a busy machine may pack and unpack as long as it likes. */
const patient: Clock = { now: () => systemClock.now(), monotonic: () => 0, after: (ms, fn) => systemClock.after(ms, fn) }

test('what an Envoy says comes through whole however large it is, or with a reason', async () => {
  const dump = Buffer.from(JSON.stringify({ configs: Array.from({ length: 400_000 }, (_, index) => `cluster_${index}`) }).padEnd(20 << 20))
  const noise = randomBytes(12 << 20)
  await using fed = await federation(['zone-1'], {
    server: { clock: new FakeClock() },
    client: { clock: patient, envoyAdmin: { ask: async (kind) => (kind === 'configDump' ? dump : noise) } },
  })
  await fed.zone('zone-1').put('Dataplane', 'default', 'dp-1', { networking: { address: '10.0.0.1', inbound: [{ port: 80 }] } }, own)
  await until(() => fed.global.store.list('Dataplane').length === 1 && fed.global.server.zones()[0]?.streams.length === 5)
  const [proxy] = fed.global.store.list('Dataplane')
  assert.ok(proxy)
  assert.equal(Buffer.compare(Buffer.from(await fed.global.server.ask('zone-1', 'configDump', proxy)), dump), 0)
  await assert.rejects(fed.global.server.ask('zone-1', 'stats', proxy), {
    code: 'kds/admin-failed',
    message: /the answer of the proxy has 12\.0 MiB, more than fits through global: ask the zone control plane/,
  })
  // the stream is as good as before
  assert.equal((await fed.global.server.ask('zone-1', 'configDump', proxy)).length, dump.length)
})

test('a stock global gets answers as they are up to the limit', async () => {
  const fits = Buffer.alloc(maxAnswerBytes, 'x')
  assert.equal(await packAnswer(fits, 'stock'), fits)
  await assert.rejects(packAnswer(Buffer.alloc(maxAnswerBytes + 1, 'x'), 'stock'), { code: 'kds/admin-failed' })
  assert.ok((await packAnswer(fits, 'own')).length < 100_000)
  const small = Buffer.from('text')
  assert.equal(await packAnswer(small, 'own'), small)
})

test('nothing is unpacked beyond what a zone may read of an Envoy', async () => {
  const bomb = gzipSync(Buffer.alloc(maxUnpackedBytes + 1))
  assert.ok(bomb.length < 100_000)
  await assert.rejects(unpackAnswer(bomb), { code: 'kds/admin-failed', message: /cannot be unpacked/ })
  await assert.rejects(unpackAnswer(Buffer.from([0x1f, 0x8b, 1, 2, 3])), { code: 'kds/admin-failed' })
})

test('an answer counts once, and only over the stream that was asked', async () => {
  const clock = new FakeClock()
  const broker = createAdminBroker(clock)
  const written: Uint8Array[] = []
  const stream = { write: (bytes: Uint8Array) => written.push(bytes) > 0 }
  const other = { write: () => true }
  broker.connected('zone-1', 'configDump', stream)
  broker.connected('zone-2', 'configDump', other)
  const question = { zone: 'zone-1', kind: 'configDump', type: 'Dataplane', name: 'dp-1', mesh: 'default', options: {} } as const
  const asked = broker.ask(question)
  const id = requests.decode(written[0] ?? new Uint8Array(0)).requestId ?? ''
  const answer = (text: string) => ({ id, result: { bytes: Buffer.from(text) } })
  broker.answered({ id: 'nobody asked', result: { error: 'x' } }, stream)
  broker.answered(answer('forged'), other)
  broker.answered(answer('right'), stream)
  broker.answered(answer('again'), stream)
  assert.equal(Buffer.from(await asked).toString(), 'right')
  const late = broker.ask(question)
  clock.advance(10_000)
  await assert.rejects(late, { code: 'kds/admin-failed', message: /did not answer within 10 s/ })
  broker.answered({ id: requests.decode(written[1] ?? new Uint8Array(0)).requestId ?? '', result: { bytes: Buffer.from('late') } }, stream)
  broker.close()
})

test('a zone sends no answer that a stock global has stopped waiting for', async () => {
  const clock = new FakeClock()
  const zone = memberOf(memoryStore())
  await zone.put('Dataplane', 'default', 'dp-1', { networking: { address: '10.0.0.1' } }, own)
  const written: Uint8Array[] = []
  const bytes = requests.encode({ requestId: 'r', resourceType: 'Dataplane', resourceName: 'dp-1', resourceMesh: 'default' })
  for (const ms of [8_999, 9_001]) {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>()
    const done = answerAdminRequest('configDump', bytes, {
      store: zone.store,
      envoyAdmin: { ask: () => promise },
      clock,
      log: silentLogger,
      peer: 'stock',
      write: (answer) => written.push(answer) > 0,
    })
    clock.advance(ms)
    resolve(Buffer.from(`after ${ms}`))
    await done
  }
  assert.deepEqual(
    written.map((answer) => Buffer.from(answers.decode(answer).config ?? []).toString()),
    ['after 8999'],
  )
  await zone.store.close()
})
