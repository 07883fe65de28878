// Announcements between instances on a real server.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createMetrics } from '@weft/foundation/metrics'
import { type Clock, FakeClock, systemClock } from '@weft/foundation/time'
import { connect } from '@nats-io/transport-node'
import { type NatsServer, startNats, withoutNats } from '../testing/nats-server.ts'
import { recordedLog } from '../testing/recorded-log.ts'
import { until } from '../testing/until.ts'
import { createNatsAnnouncer, type NatsAnnouncer } from './announcer.ts'
import { createNatsLink, type NatsLink } from './nats-link.ts'

interface Instance extends AsyncDisposable {
  readonly announcer: NatsAnnouncer
  readonly link: NatsLink
  readonly heard: number[]
  readonly told: boolean[]
  readonly metrics: ReturnType<typeof createMetrics>
  /** Without a goodbye, as a process that is killed. */
  vanish(): Promise<void>
}

function instance(url: string, instanceId: string, storeId = 'store-1', clock: Clock = systemClock): Instance {
  const { log } = recordedLog()
  const metrics = createMetrics()
  const link = createNatsLink({ settings: { servers: [url] }, clock: systemClock, log })
  const announcer = createNatsAnnouncer({ link, storeId, instanceId, clock, log, metrics })
  const heard: number[] = []
  const told: boolean[] = []
  announcer.onAnnounced((seq) => heard.push(seq))
  announcer.onUp((isUp) => told.push(isUp))
  link.start()
  return {
    announcer,
    link,
    heard,
    told,
    metrics,
    vanish: () => link.stop(),
    [Symbol.asyncDispose]: async () => {
      announcer.stop()
      await link.stop()
    },
  }
}
const areUp = (...all: readonly Instance[]) => until('all are up', () => all.every(({ announcer }) => announcer.isUp))

async function refusedOf({ metrics }: Instance): Promise<number> {
  const { text } = await metrics.expose()
  return Number(/replicas_announcements_total\{way="nats",result="refused"\} (\d+)/.exec(text)?.[1] ?? 0)
}

describe('announcements by NATS', { skip: withoutNats() }, () => {
  let server: NatsServer
  before(async () => {
    server = await startNats()
  })
  after(() => server[Symbol.asyncDispose]())

  it('reach the other instances of the store and nobody else; of one turn the last number is said', async () => {
    await using one = instance(server.url, 'host.with.dots-0001')
    await using two = instance(server.url, 'two')
    await using stranger = instance(server.url, 'three', 'store-2')
    await areUp(one, two, stranger)
    for (let seq = 1; seq <= 500; seq += 1) one.announcer.announce(seq)
    await until('the last is heard', () => two.heard.includes(500))
    const said = two.heard.filter((seq) => seq > 0)
    assert.ok(
      said.every((seq) => seq === 500),
      `only the latest is said: ${said.join()}`,
    )
    assert.ok(
      one.heard.every((seq) => seq === 0),
      'own announcements are not delivered',
    )
    assert.ok(stranger.heard.length === 0)
  })

  it('one that was lost is made up for', async () => {
    await using one = instance(server.url, 'one')
    await areUp(one)
    one.announcer.announce(77)
    await using late = instance(server.url, 'late')
    await until('the number comes again', () => late.heard.includes(77))
  })

  it('do not count while one that lives is not heard', async () => {
    await using one = instance(server.url, 'one')
    const two = instance(server.url, 'two')
    await areUp(one, two)
    await until('they know of each other', () => one.heard.length > 0)
    // alive as the store has it, but cut off from NATS
    one.announcer.awaits?.(['one', 'two'])
    await two.vanish()
    await until('the silence is noticed', () => !one.announcer.isUp)
    // dead as the store has it
    one.announcer.awaits?.(['one'])
    await areUp(one)
    // one that was never heard
    one.announcer.awaits?.(['one', 'three'])
    await until('it is missed', () => !one.announcer.isUp)
    await using three = instance(server.url, 'three')
    await areUp(one, three)
  })

  it('one that says goodbye is not waited for', async () => {
    const clock = new FakeClock()
    await using one = instance(server.url, 'one', 'store-8', clock)
    const two = instance(server.url, 'two', 'store-8')
    await areUp(one, two)
    two.announcer.announce(5)
    await until('it is heard', () => one.heard.includes(5))
    two.announcer.stop()
    await two.link.stop()
    // what is said on another connection afterwards is read after the goodbye
    const stranger = await connect({ servers: server.url })
    stranger.publish('weft.store-8.announce', 'marker')
    await until('the goodbye was read', async () => (await refusedOf(one)) === 1)
    await stranger.close()
    clock.advance(5000)
    // judged after what has arrived is read
    for (let turn = 0; turn < 5; turn += 1) await setImmediate()
    // one that waited for the other would do so for ever: its time stands still
    await areUp(one)
  })

  it('without being told who lives, one that vanishes is missed for a minute', async () => {
    const clock = new FakeClock()
    const pass = async (ms: number): Promise<void> => {
      clock.advance(ms)
      for (let turn = 0; turn < 5; turn += 1) await setImmediate()
    }
    await using one = instance(server.url, 'one', 'store-9', clock)
    const two = instance(server.url, 'two', 'store-9')
    const three = instance(server.url, 'three', 'store-9')
    await areUp(one, two, three)
    two.announcer.announce(5)
    three.announcer.announce(6)
    await until('both are heard', () => one.heard.includes(5) && one.heard.includes(6))
    await two.vanish()
    await three.vanish()
    const secondsUntil = async (what: string, isTrue: () => boolean): Promise<number> => {
      const from = clock.now()
      await until(what, async () => {
        await pass(1000)
        return one.link.isUp && isTrue()
      })
      return (clock.now() - from) / 1000
    }
    // what they said last may still be on its way
    await secondsUntil('they are missed', () => !one.announcer.isUp)
    const seconds = await secondsUntil('they are forgotten', () => one.announcer.isUp)
    assert.ok(seconds >= 50, `forgotten after ${seconds} s`)
  })

  it('are down while the server is, and up again by themselves', async () => {
    await using own = await startNats()
    await using one = instance(own.url, 'one')
    await using two = instance(own.url, 'two')
    await areUp(one, two)
    await own.kill()
    await until('both know', () => !one.announcer.isUp && !two.announcer.isUp)
    one.announcer.announce(9)
    await own.start()
    await until('what was said meanwhile is heard', () => two.heard.includes(9))
    await areUp(one, two)
    await own.pause()
    await until('both know', () => !one.announcer.isUp && !two.announcer.isUp)
    own.resume()
    await areUp(one, two)
  })

  it('ignores and counts what no instance says', async () => {
    await using one = instance(server.url, 'one')
    await areUp(one)
    const stranger = await connect({ servers: server.url })
    const hostile = [
      '',
      'null',
      '[]',
      '{"from":"x"}',
      '{"from":1,"seq":1}',
      '{"from":"x","seq":-1}',
      '{"from":"x","seq":1e300}',
      '{"from":"x","seq":"1"}',
      '{"from":"","seq":1}',
      '{"from":"one","seq":1}',
      `{"from":"${'x'.repeat(2000)}","seq":1}`,
      '\u0000\uffff{',
      Buffer.alloc(1024 * 1024 - 1),
      Buffer.from([0xff, 0xfe, 0x00]),
    ]
    for (const payload of hostile) stranger.publish('weft.store-1.announce', payload)
    await until('all are counted', async () => (await refusedOf(one)) === hostile.length)
    assert.deepEqual(one.heard, [])
    await stranger.close()
    await areUp(one)
  })
})
