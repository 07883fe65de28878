// Presence on a real Redis: who is there, who is missed, and above all who is not.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock } from '@weft/foundation/time'
import { recordedLog } from '../testing/recorded-log.ts'
import { cleanRedis } from '../testing/clean-redis.ts'
import { startRedis, withoutRedis } from '../testing/redis-server.ts'
import { until } from '../testing/until.ts'
import { createRedisPresence, type RedisPresence } from './presence.ts'
import { createRedisLink, type RedisLink } from './redis-link.ts'
import type { RedisSettings } from './settings.ts'

interface TestMember extends AsyncDisposable {
  readonly link: RedisLink
  readonly presence: RedisPresence
  readonly missing: string[]
  readonly joined: string[]
  readonly metrics: ReturnType<typeof createMetrics>
  /** Lets a second pass, and what is done with it. */
  beat(): Promise<void>
  /** The time for an answer is over. */
  late(): void
  /** Without a goodbye, as a process that is killed. */
  vanish(): void
}

/** Beats on a clock of its own. */
async function member(url: string, instanceId: string, storeId = 'store-1', who: Partial<RedisSettings> = {}): Promise<TestMember> {
  const { log } = recordedLog()
  const metrics = createMetrics()
  const clock = new FakeClock()
  const linkClock = new FakeClock()
  const link = createRedisLink({ settings: { url, ...who }, clock: linkClock, log, metrics })
  const self = { instanceId, address: { host: '127.0.0.1', port: 5683 } }
  // Redis counts the time of the machine: no key ends because that is busy
  const presence = createRedisPresence({ link, storeId, self, clock, log, metrics, keyMs: 600_000 })
  const missing: string[] = []
  const joined: string[] = []
  presence.onMissing((other) => missing.push(other.instanceId))
  presence.onJoined((other) => joined.push(other.instanceId))
  presence.start()
  link.start()
  await until(`${instanceId} is there`, () => presence.isUp)
  return {
    link,
    presence,
    missing,
    joined,
    metrics,
    beat: async () => {
      clock.advance(1000)
      // commands are answered in order, so the beat is over when this is
      if (link.isUp) await link.run((client) => client.ping()).catch(() => {})
    },
    late: () => linkClock.advance(800),
    vanish: () => link.stop(),
    [Symbol.asyncDispose]: async () => {
      await presence.stop()
      link.stop()
    },
  }
}
const beats = async (count: number, ...members: readonly TestMember[]): Promise<void> => {
  for (let n = 0; n < count; n += 1) for (const each of members) await each.beat()
}
const idsOf = ({ presence }: TestMember): readonly string[] =>
  presence
    .members()
    .map(({ instanceId }) => instanceId)
    .sort()

describe('presence in Redis', { skip: withoutRedis() }, () => {
  const redis = cleanRedis()
  const memberKey = (id: string): string => `weft:{store-1}:member:${id}`

  it('shows the members of one store, and who leaves at once', async () => {
    await using one = await member(redis.url, 'one')
    const two = await member(redis.url, 'two')
    await using _stranger = await member(redis.url, 'stranger', 'store-2')
    await beats(1, one, two)
    assert.deepEqual([idsOf(one), idsOf(two)], [['two'], ['one']])
    assert.deepEqual(one.presence.members()[0]?.address, { host: '127.0.0.1', port: 5683 })
    assert.match((await one.metrics.expose()).text, /replicas_presence_members 1\n[^]*|replicas_redis_up 1/)
    // long enough to judge
    await beats(8, one, two)
    await two[Symbol.asyncDispose]()
    await one.beat()
    assert.deepEqual([one.joined, one.missing, idsOf(one)], [['two'], ['two'], []])
    await beats(3, one)
    assert.deepEqual(one.missing, ['two'], 'told once')
  })

  it('misses one that beats no more, and is told when it beats again', async () => {
    await using one = await member(redis.url, 'one')
    const two = await member(redis.url, 'two')
    await beats(8, one, two)
    two.vanish()
    // its key would end by itself
    await redis.raw.pexpire(memberKey('two'), 1)
    await until('it is missed', async () => {
      await one.beat()
      return one.missing.length > 0
    })
    assert.deepEqual(one.missing, ['two'])
    assert.equal(await redis.raw.exists(memberKey('two')), 0)
    await using _again = await member(redis.url, 'two')
    await one.beat()
    assert.deepEqual([one.joined, idsOf(one)], [['two', 'two'], ['two']])
  })

  it('an emptied Redis is the death of nobody', async () => {
    await using one = await member(redis.url, 'one')
    await using two = await member(redis.url, 'two')
    const three = await member(redis.url, 'three')
    await beats(8, one, two, three)
    await redis.raw.flushall()
    three.vanish()
    await beats(5, one)
    assert.deepEqual([one.missing, idsOf(one)], [[], ['three', 'two']])
    await beats(4, one, two)
    assert.deepEqual([one.joined.length, two.missing], [2, []])
    // who did not come back in all that time is missed
    assert.deepEqual(one.missing, ['three'])
  })

  it('a Redis that was restarted empty is the death of nobody', async () => {
    await using own = await startRedis()
    await using one = await member(own.url, 'one')
    await using two = await member(own.url, 'two')
    await beats(8, one, two)
    await own.kill()
    await until('both know', () => !one.presence.isUp && !two.presence.isUp)
    await beats(10, one, two)
    assert.deepEqual(idsOf(one), ['two'], 'who was there is remembered')
    await own.start()
    await until('both are back', () => one.presence.isUp && two.presence.isUp)
    await beats(10, one, two)
    assert.deepEqual([one.missing, two.missing, one.joined, two.joined], [[], [], ['two'], ['one']])
  })

  it('a Redis that stood still is the death of nobody', async () => {
    await using own = await startRedis()
    await using one = await member(own.url, 'one')
    const two = await member(own.url, 'two')
    await beats(8, one, two)
    // the key of one that lives is over when Redis goes on
    two.vanish()
    await one.link.run((client) => client.pexpire(memberKey('two'), 100))
    await own.pause()
    const silent = one.beat()
    one.late()
    await until('the silence is noticed', () => !one.presence.isUp)
    await silent
    await assert.rejects(one.presence.holder('zone/east'))
    own.resume()
    await until('it is back', () => one.presence.isUp)
    await beats(5, one)
    assert.deepEqual(one.missing, [])
    await using _back = await member(own.url, 'two')
    await beats(5, one)
    assert.deepEqual([one.missing, one.joined], [[], ['two']])
  })

  it('one that was paused itself misses nobody', async () => {
    await using one = await member(redis.url, 'one')
    await using two = await member(redis.url, 'two')
    await beats(8, one, two)
    await redis.raw.del(memberKey('one'), memberKey('two'))
    await one.beat()
    assert.deepEqual(one.missing, [])
  })

  it('knows who holds a stream: the latest, as long as it lives', async () => {
    await using one = await member(redis.url, 'one')
    await using two = await member(redis.url, 'two')
    await using asking = await member(redis.url, 'asking')
    const holder = (): Promise<string | undefined> => asking.presence.holder('proxy/default/web-1')
    assert.equal(await holder(), undefined)
    const byOne = one.presence.hold('proxy/default/web-1')
    await until('it is known', async () => (await holder()) === 'one')
    const byTwo = two.presence.hold('proxy/default/web-1')
    await until('it has moved', async () => (await holder()) === 'two')
    byOne()
    // whatever else is written afterwards, the release was before it
    one.presence.hold('zone/east')
    await until('the release is done', async () => (await asking.presence.holder('zone/east')) === 'one')
    assert.equal(await holder(), 'two')
    // a claim that was given up late, after the same instance claimed it anew
    const again = two.presence.hold('proxy/default/web-1')
    byTwo()
    two.presence.hold('zone/west')
    await until('the release is done', async () => (await asking.presence.holder('zone/west')) === 'two')
    assert.equal(await holder(), 'two')
    again()
    await until('nobody holds it', async () => (await holder()) === undefined)
    await redis.raw.del(memberKey('two'))
    assert.equal(await asking.presence.holder('zone/west'), undefined, 'who is not there holds nothing')
  })

  it('says again what it holds after Redis has lost it', async () => {
    await using one = await member(redis.url, 'one')
    const count = 1200
    for (let n = 0; n < count; n += 1) one.presence.hold(`proxy/default/web-${n}`)
    const stored = async (): Promise<number> => (await redis.raw.keys('weft:{store-1}:holder:*')).length
    await until('all are there', async () => (await stored()) === count)
    await redis.raw.flushall()
    await one.beat()
    await until('all are there again', async () => (await stored()) === count)
    // and each before it ends by itself
    for (const key of await redis.raw.keys('weft:{store-1}:holder:*')) await redis.raw.pexpire(key, 55_000)
    await beats(201, one)
    await until('all stay', async () => {
      const ttls = await Promise.all((await redis.raw.keys('weft:{store-1}:holder:*')).map((key) => redis.raw.pttl(key)))
      return ttls.length === count && ttls.every((ttl) => ttl > 60_000)
    })
  })

  it('needs rights for its own keys and few commands alone', async () => {
    const commands = 'get set del exists sadd srem smembers eval info ping'.split(' ').map((name) => `+${name}`)
    await using own = await startRedis(['--user', 'weft', 'on', '>staple-horse', '~weft:{store-1}:*', ...commands])
    const who = { user: 'weft', password: 'staple-horse' }
    await using one = await member(own.url, 'one', 'store-1', who)
    const two = await member(own.url, 'two', 'store-1', who)
    await beats(8, one, two)
    const release = two.presence.hold('zone/east')
    await until('it is known', async () => (await one.presence.holder('zone/east')) === 'two')
    release()
    await until('it is given up', async () => (await one.presence.holder('zone/east')) === undefined)
    await two[Symbol.asyncDispose]()
    await one.beat()
    assert.deepEqual(one.missing, ['two'])
  })

  it('what others wrote under its keys does no harm', async () => {
    await using one = await member(redis.url, 'one')
    const hostile = ['', '{', 'null', '[]', '{"instanceId":1}', '{"instanceId":""}', `{"instanceId":"${'x'.repeat(5000)}"}`]
    for (const [n, value] of hostile.entries()) {
      await redis.raw.sadd('weft:{store-1}:members', `h${n}`)
      await redis.raw.set(memberKey(`h${n}`), value)
    }
    await redis.raw.sadd('weft:{store-1}:members', 'half')
    await redis.raw.set(memberKey('half'), '{"instanceId":"half","address":{"host":5}}')
    await one.beat()
    assert.deepEqual(one.presence.members(), [{ instanceId: 'half' }])
    await redis.raw.del('weft:{store-1}:members')
    await redis.raw.set('weft:{store-1}:members', 'not a set')
    await one.beat()
    await until('it is not up', () => !one.presence.isUp)
    await redis.raw.del('weft:{store-1}:members')
    await one.beat()
    await until('it is up again', () => one.presence.isUp)
    assert.deepEqual(one.missing, [])
  })
})
