// Questions between instances on a real server.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { connect, headers, type MsgHdrs } from '@nats-io/transport-node'
import { AppError, hasCode } from '@weft/foundation/errors'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock, systemClock } from '@weft/foundation/time'
import { type NatsServer, startNats, withoutNats } from '../testing/nats-server.ts'
import { recordedLog } from '../testing/recorded-log.ts'
import { until } from '../testing/until.ts'
import { createNatsLink, type NatsLink } from './nats-link.ts'
import { createNatsRequestPath, type NatsRequestPath } from './request-path.ts'
import { readFields, seal } from './sealed-message.ts'

const key = randomBytes(32)
const storeId = 'store-1'
const limitMs = 10_000
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
const question = (topic: string, body: string | Uint8Array = '') => ({ topic, body: Buffer.from(body), limitMs })

interface Instance extends AsyncDisposable {
  readonly path: NatsRequestPath
  readonly link: NatsLink
  /** Of its deadlines: a loaded machine must not fail a test. */
  readonly clock: FakeClock
  readonly metrics: ReturnType<typeof createMetrics>
}

interface InstanceOptions {
  readonly credentials?: { readonly user: string; readonly password: string }
  readonly key?: () => Uint8Array | undefined
  readonly topics?: Readonly<Record<string, (body: Uint8Array, from: string) => Promise<Uint8Array>>>
}

async function instance(url: string, instanceId: string, options: InstanceOptions = {}): Promise<Instance> {
  const { log } = recordedLog()
  const metrics = createMetrics()
  const clock = new FakeClock()
  const link = createNatsLink({ settings: { servers: [url], ...options.credentials }, clock: systemClock, log })
  const path = createNatsRequestPath({ link, storeId, instanceId, key: options.key ?? (() => key), clock, log, metrics })
  for (const [topic, handler] of Object.entries(options.topics ?? {})) path.serve(topic, handler)
  link.start()
  await until(`${instanceId} is up`, () => link.isUp)
  return {
    path,
    link,
    clock,
    metrics,
    [Symbol.asyncDispose]: async () => {
      path.stop()
      await link.stop()
    },
  }
}

async function refusedBy({ metrics }: Instance): Promise<number> {
  return Number(/replicas_refused_messages_total\{way="nats"\} (\d+)/.exec((await metrics.expose()).text)?.[1] ?? 0)
}
const isUnreachable = (error: unknown): boolean => hasCode(error, 'replicas/unreachable') && error.retryable

describe('questions by NATS', { skip: withoutNats() }, () => {
  let server: NatsServer
  before(async () => {
    server = await startNats('max_payload: 65536')
  })
  after(() => server[Symbol.asyncDispose]())

  it('are answered with a body, and tell who asks', async () => {
    await using one = await instance(server.url, 'host.example-0001')
    await using two = await instance(server.url, 'zweiter Rechner-ä', {
      topics: { greet: async (body, from) => Buffer.from(`hello ${text(body)} of ${from}`), nothing: async () => new Uint8Array() },
    })
    assert.equal(text(await one.path.ask('zweiter Rechner-ä', question('greet', 'you'))), 'hello you of host.example-0001')
    assert.equal((await one.path.ask('zweiter Rechner-ä', question('nothing'))).length, 0)
    const many = await Promise.all(Array.from({ length: 50 }, (_, n) => one.path.ask('zweiter Rechner-ä', question('greet', `${n}`))))
    assert.deepEqual(
      many.map(text),
      Array.from({ length: 50 }, (_, n) => `hello ${n} of host.example-0001`),
    )
    assert.match((await two.metrics.expose()).text, /replicas_requests_total\{way="nats",side="served",result="sent"\} 52/)
  })

  it('need rights for the subjects of the store alone', async () => {
    const subjects = '[ "weft.store-1.>" ]'
    await using own = await startNats(
      `authorization { users = [ { user: u, password: p, permissions: { publish: ${subjects}, subscribe: ${subjects} } } ] }`,
    )
    const credentials = { user: 'u', password: 'p' }
    await using one = await instance(own.url, 'one', { credentials })
    await using _two = await instance(own.url, 'two', { credentials, topics: { greet: async () => Buffer.from('hello') } })
    assert.equal(text(await one.path.ask('two', question('greet'))), 'hello')
    await assert.rejects(one.path.ask('nobody', question('greet')), isUnreachable)
    assert.equal(one.link.isUp, true)
  })

  it('fail with what the handler threw, and its code', async () => {
    await using one = await instance(server.url, 'one')
    await using _two = await instance(server.url, 'two', {
      topics: {
        coded: async () => {
          throw new AppError('kds/not-connected', 'zone east is not here', { details: { zone: 'east' }, retryable: true })
        },
        plain: async () => {
          throw new TypeError('broken')
        },
      },
    })
    await assert.rejects(
      one.path.ask('two', question('coded')),
      (error) => hasCode(error, 'kds/not-connected') && error.details['zone'] === 'east' && error.retryable,
    )
    await assert.rejects(one.path.ask('two', question('plain')), /broken/)
    await assert.rejects(one.path.ask('two', question('unheard-of')), (error) => hasCode(error, 'replicas/failed'))
  })

  it('do not reach who is not there, or who has another key, or none', async () => {
    await using one = await instance(server.url, 'one')
    await assert.rejects(one.path.ask('nobody', question('greet')), isUnreachable)
    const topics = { greet: async () => new Uint8Array() }
    await using other = await instance(server.url, 'other', { key: () => randomBytes(32), topics })
    const silent = assert.rejects(one.path.ask('other', question('greet')), isUnreachable)
    await until('it was refused', async () => (await refusedBy(other)) === 1)
    one.clock.advance(1000)
    await silent
    await using keyless = await instance(server.url, 'keyless', { key: () => undefined, topics })
    assert.equal(keyless.path.isUp, false)
    await assert.rejects(keyless.path.ask('one', question('greet')), isUnreachable)
  })

  it('end when the one that took it does not answer in time', async () => {
    await using one = await instance(server.url, 'one')
    let taken = 0
    await using _two = await instance(server.url, 'two', {
      topics: {
        never: () => {
          taken += 1
          return new Promise(() => {})
        },
        greet: async () => new Uint8Array(),
      },
    })
    const late = assert.rejects(one.path.ask('two', question('never')), (error) => hasCode(error, 'replicas/timeout'))
    await until('it was taken', () => taken === 1)
    // what was said before, that the question is there, has arrived when this has
    await one.path.ask('two', question('greet'))
    one.clock.advance(limitMs)
    await late
    assert.equal(taken, 1)
  })

  it('what is too large for the server goes another way, what can be packed goes', async () => {
    await using one = await instance(server.url, 'one')
    const large = Buffer.alloc(8 * 1024 * 1024, 'clusters and endpoints ')
    await using _two = await instance(server.url, 'two', {
      topics: {
        echo: async (body) => body,
        random: async () => randomBytes(100_000),
        small: async () => Buffer.from('ok'),
      },
    })
    assert.ok(large.equals(await one.path.ask('two', question('echo', large))))
    await assert.rejects(one.path.ask('two', question('echo', randomBytes(100_000))), isUnreachable)
    await assert.rejects(one.path.ask('two', question('random')), isUnreachable)
    await assert.rejects(one.path.ask('two', question('echo', Buffer.alloc(33 * 1024 * 1024))), (error) =>
      hasCode(error, 'replicas/too-large'),
    )
    assert.equal(text(await one.path.ask('two', question('small'))), 'ok')
  })

  it('end at once when the connection is lost, and work again when it is back', async () => {
    await using own = await startNats()
    await using one = await instance(own.url, 'one')
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    let taken = false
    await using two = await instance(own.url, 'two', {
      topics: {
        slow: async () => {
          taken = true
          await held
          return new Uint8Array()
        },
        greet: async () => Buffer.from('hello'),
      },
    })
    const lost = assert.rejects(one.path.ask('two', question('slow')), isUnreachable)
    await until('it was taken', () => taken)
    await own.kill()
    await lost
    release()
    assert.equal(one.path.isUp, false)
    await assert.rejects(one.path.ask('two', question('greet')), isUnreachable)
    await own.start()
    await until('both are back', () => one.path.isUp && two.path.isUp)
    assert.equal(text(await one.path.ask('two', question('greet'))), 'hello')
    await own.pause()
    // neither taken nor refused
    await assert.rejects(one.path.ask('two', question('greet')), isUnreachable)
    own.resume()
  })

  it('nobody without the key can ask or answer, and nothing that is sent ends the process', async () => {
    await using one = await instance(server.url, 'one')
    let served = 0
    await using two = await instance(server.url, 'two', {
      topics: {
        count: async () => {
          served += 1
          return new Uint8Array()
        },
      },
    })
    const stranger = await connect({ servers: server.url, noEcho: true })
    const answers: Buffer[] = []
    stranger.subscribe('weft.store-1.answer.>', { callback: (_, message) => void answers.push(Buffer.from(message.data)) })
    await stranger.flush()
    const fields = { kind: 'ask', from: 'one', id: 'abc', topic: 'count', limit: '1000' } as const
    const forged = await seal(randomBytes(32), 'two', fields, Buffer.from('{}'))
    const forOther = await seal(key, 'three', fields, Buffer.from('{}'))
    const right = await seal(key, 'two', fields, Buffer.from('{}'))
    const altered = Buffer.from('[]')
    const half = await seal(key, 'two', { ...fields, id: 'half' }, Buffer.alloc(4096, 0))
    const with_ = (change: (set: MsgHdrs) => void): MsgHdrs => {
      const set = headers()
      for (const [name, values] of right.headers) for (const value of values) set.append(name, value)
      change(set)
      return set
    }
    const answerTo = 'weft.store-1.answer.one.abc'
    const hostile: readonly (readonly [Uint8Array, MsgHdrs | undefined, string | undefined])[] = [
      [new Uint8Array(), undefined, undefined],
      [Buffer.from('{}'), undefined, answerTo],
      [randomBytes(60_000), headers(), answerTo],
      [forged.payload, forged.headers, answerTo],
      [forOther.payload, forOther.headers, answerTo],
      [altered, right.headers, answerTo],
      // the answer would go to the stranger
      [right.payload, right.headers, 'stranger.inbox'],
      [right.payload, right.headers, undefined],
      [right.payload, with_((set) => set.set('Weft-topic', 'other')), answerTo],
      [right.payload, with_((set) => set.set('Weft-from', '%E0%A4%A')), answerTo],
      [right.payload, with_((set) => set.set('Weft-from', 'x'.repeat(10_000))), answerTo],
      [right.payload, with_((set) => set.set('Weft-Encoding', 'gzip')), answerTo],
      [right.payload, with_((set) => set.delete('Weft-Mac')), answerTo],
      [half.payload.subarray(0, 10), half.headers, 'weft.store-1.answer.one.half'],
    ]
    for (const [payload, set, reply] of hostile)
      stranger.publish('weft.store-1.ask.two', payload, { ...(set ? { headers: set } : {}), ...(reply ? { reply } : {}) })
    // answers that nobody asked for
    stranger.publish('weft.store-1.answer.one.abc', 'x')
    stranger.publish('weft.store-1.answer.one.*', 'x')
    await stranger.flush()
    await until('all are counted', async () => (await refusedBy(two)) === hostile.length)
    assert.equal(served, 0)
    assert.deepEqual(answers, [])
    await one.path.ask('two', question('count'))
    assert.equal(served, 1)
    await stranger.close()
  })

  it('a forged answer does not settle a question', async () => {
    await using one = await instance(server.url, 'one')
    let release: (body: Uint8Array) => void = () => {}
    await using _two = await instance(server.url, 'two', { topics: { slow: () => new Promise((resolve) => (release = resolve)) } })
    const stranger = await connect({ servers: server.url })
    let reply = ''
    stranger.subscribe('weft.store-1.ask.two', { callback: (_, message) => void (reply = message.reply ?? '') })
    await stranger.flush()
    const answer = one.path.ask('two', question('slow'))
    await until('the stranger overheard it', () => reply !== '')
    stranger.publish(reply, 'forged')
    const id = reply.slice(reply.lastIndexOf('.') + 1)
    const forged = await seal(randomBytes(32), 'one', { kind: 'answer', from: 'two', id }, Buffer.from('forged'))
    stranger.publish(reply, forged.payload, { headers: forged.headers })
    // a true answer of another replica is none of this one
    const other = await seal(key, 'one', { kind: 'answer', from: 'three', id }, Buffer.from('other'))
    stranger.publish(reply, other.payload, { headers: other.headers })
    await stranger.flush()
    await until('all are counted', async () => (await refusedBy(one)) === 3)
    release(Buffer.from('genuine'))
    assert.equal(text(await answer), 'genuine')
    await stranger.close()
  })
})

describe('a sealed message', () => {
  it('reads back for whom it was sealed and with its key only', async () => {
    const fields = { kind: 'ask', from: 'host ä.b', id: '1', topic: 't', limit: '5' } as const
    const { headers: set, payload } = await seal(key, 'two', fields, Buffer.from('body'))
    assert.deepEqual(readFields(key, 'two', { headers: set, data: payload }), fields)
    assert.equal(readFields(key, 'three', { headers: set, data: payload }), undefined)
    assert.equal(readFields(randomBytes(32), 'two', { headers: set, data: payload }), undefined)
    assert.equal(readFields(key, 'two', { headers: set, data: Buffer.from('bodz') }), undefined)
    assert.equal(readFields(key, 'two', { data: payload }), undefined)
  })
})
