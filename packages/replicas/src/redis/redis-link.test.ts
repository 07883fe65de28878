// The connection to a real Redis: up, down, back, and who may.
import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { systemClock } from '@weft/foundation/time'
import { recordedLog } from '../testing/recorded-log.ts'
import { startRedis, withoutRedis } from '../testing/redis-server.ts'
import { until } from '../testing/until.ts'
import { createRedisLink, type RedisLink } from './redis-link.ts'
import type { RedisSettings } from './settings.ts'

interface OpenLink extends Disposable {
  readonly link: RedisLink
  readonly lines: string[]
}

function openLink(settings: RedisSettings): OpenLink {
  const { log, lines } = recordedLog()
  const link = createRedisLink({ settings, clock: systemClock, log })
  link.start()
  return { link, lines, [Symbol.dispose]: () => link.stop() }
}
const isUp = ({ link }: OpenLink) => until('the link is up', () => link.isUp)
const says = ({ lines }: OpenLink, text: RegExp) => until(`the log says ${text}`, () => lines.some((line) => text.test(line)))

describe('a link to Redis', { skip: withoutRedis() }, () => {
  it('is up while Redis answers: killed, started again, stopped and continued', async () => {
    await using server = await startRedis()
    using opened = openLink({ url: server.url })
    const told: boolean[] = []
    opened.link.onUp((state) => told.push(state))
    await isUp(opened)
    // an answer for which the machine keeps us waiting is none
    const answerTo = (ask: Parameters<RedisLink['run']>[0]): Promise<string> =>
      opened.link.run(ask).then(
        (answer) => `${String(answer)}, ${opened.link.isUp ? 'up' : 'down'}`,
        (error: unknown) => `${String(error)}, ${opened.link.isUp ? 'up' : 'down'}`,
      )
    await until('an answer', async () => (await answerTo((client) => client.ping())) === 'PONG, up')
    // a refusal is an answer
    await until('a refusal', async () => /unknown command.*, up$/s.test(await answerTo((client) => client.call('NO-SUCH-COMMAND'))))
    await server.kill()
    await until('the end is noticed', () => !opened.link.isUp)
    await assert.rejects(
      opened.link.run((client) => client.ping()),
      /not up/,
    )
    await server.start()
    await isUp(opened)
    await server.pause()
    await assert.rejects(
      opened.link.run((client) => client.ping()),
      /does not answer/,
    )
    assert.equal(opened.link.isUp, false)
    server.resume()
    await isUp(opened)
    // more often where the machine keeps the server waiting
    assert.ok(told.length >= 5 && told.every((state, at) => state === (at % 2 === 0)), told.join())
  })

  it('goes on past what says nothing, and what is no Redis', async () => {
    let taken = 0
    let greeting = ''
    const port = createServer((socket) => {
      taken += 1
      socket.on('error', () => {}).resume()
      if (greeting !== '') socket.write(greeting)
    })
    await new Promise<void>((resolve) => port.listen(0, '127.0.0.1', resolve))
    const address = port.address() as AddressInfo // of a TCP server
    using opened = openLink({ url: `redis://127.0.0.1:${address.port}` })
    await until('it was tried again', () => taken >= 2)
    greeting = 'HTTP/1.1 400 Bad Request\r\n\r\n*100000000\r\n$-5\r\n\u0000'
    const before = taken
    await until('it was tried with garbage', () => taken >= before + 2)
    assert.equal(opened.link.isUp, false)
    opened.link.stop()
    port.close()
  })

  it('shows who it is, and never says how', async () => {
    await using server = await startRedis(['--requirepass', 'correct-horse', '--user', 'weft', 'on', '>staple-horse', '~*', '+@all'])
    using byDefault = openLink({ url: server.url, password: 'correct-horse' })
    using byUser = openLink({ url: `${server.url}/3`, user: 'weft', password: 'staple-horse' })
    await Promise.all([isUp(byDefault), isUp(byUser)])
    await byUser.link.run((client) => client.set('a', 'b'))
    assert.equal(await byDefault.link.run((client) => client.get('a')), null, 'another database')
    using wrong = openLink({ url: server.url, password: 'wrong-battery' })
    using none = openLink({ url: server.url })
    await says(wrong, /WRONGPASS|invalid/)
    await says(none, /NOAUTH|Authentication/i)
    assert.deepEqual([wrong.link.isUp, none.link.isUp], [false, false])
    assert.doesNotMatch([byDefault, byUser, wrong, none].flatMap(({ lines }) => lines).join(), /correct-horse|staple-horse|wrong-battery/)
  })
})

describe('settings of Redis', () => {
  const link = (settings: RedisSettings) => createRedisLink({ settings, clock: systemClock, log: recordedLog().log })
  const url = 'redis://redis:6379'
  const wrong: readonly (readonly [string, RedisSettings, RegExp])[] = [
    ['no scheme', { url: 'redis:6379' }, /must look like redis:\/\/host:6379/],
    ['another scheme', { url: 'http://redis:6379' }, /must look like/],
    ['a path that is no database', { url: 'redis://redis/x' }, /must look like/],
    ['no host', { url: 'redis://' }, /must look like/],
    ['credentials in it', { url: 'redis://:hunter2@redis:6379' }, /must not hold credentials/],
    ['a user without password', { url, user: 'u' }, /user needs password/],
    ['half a certificate', { url: 'rediss://redis', tls: { certFile: 'x' } }, /tls.certFile and tls.keyFile/],
    ['TLS files without TLS', { url, tls: { caFile: 'x' } }, /rediss:\/\//],
  ]
  for (const [name, settings, message] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => link(settings),
        (error) => hasCode(error, 'config/invalid') && message.test(error.message) && !/hunter2/.test(error.message),
      )
    })
  }
  it('takes hosts, addresses, databases and default ports', () => {
    for (const right of ['redis://redis', 'rediss://redis.example:6380/2', 'redis://127.0.0.1:1/', 'redis://[::1]:6379'])
      link({ url: right })
  })
})
