// The DNS proxy on real sockets, asked by the resolver of the runtime and by hand, with a resolver of the test behind it.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { type Answer, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet'
import { messageOf } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { type Clock, FakeClock } from '@weft/foundation/time'
import { type DnsProxy, startDnsProxy } from './dns-proxy.ts'
import { rcodes, readQuery } from './message.ts'
import type { Resolver as Upstreams } from './resolv-conf.ts'
import { askUdp, reply, startResolver } from './resolver.fixture.ts'
import { frameMessage, messageFramer } from './stream-framing.ts'
import { createUpstream } from './upstream.ts'

const names = { records: [{ name: 'backend.svc.mesh.local', ips: ['241.0.0.1'] }], ttl: 30, extraLabels: { mesh: 'default' } }
const asking = (name: string, more: Packet = {}): Buffer =>
  encode({ type: 'query', id: 0x1234, flags: RECURSION_DESIRED, questions: [{ type: 'A', name }], ...more })
const rcode = (answer: Buffer): number => (decode(answer).flags ?? 0) & 0xf
const dataOf = (answer: Buffer): unknown => decode(answer).answers?.map((each) => 'data' in each && each.data)
const local = (port: number): Upstreams => ({ address: '127.0.0.1', port })

type Running = DnsProxy & AsyncDisposable

/** On a clock that stands still: no deadline ends what a busy machine takes long for. */
async function running(resolvers: readonly Upstreams[], clock: Clock = new FakeClock()): Promise<Running> {
  const upstream = createUpstream({ resolvers: () => ({ resolvers, timeoutMs: 1_000_000, attempts: 1 }), clock })
  const proxy = await startDnsProxy({ port: 0, upstream, clock, log: silentLogger })
  return Object.defineProperty(proxy, Symbol.asyncDispose, { value: () => proxy.close() }) as Running
}

function client(port: number): Resolver {
  const resolver = new Resolver({ timeout: 120_000, tries: 1 })
  resolver.setServers([`127.0.0.1:${port}`])
  return resolver
}

/** A connection, and when it is over. How the other side ends it does not matter. */
function connected(port: number): { readonly socket: Socket; readonly closed: Promise<unknown> } {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  return { socket, closed: new Promise((done) => socket.once('close', done)) }
}

/** Everything that comes back on one connection until `count` messages are there. */
async function askTcp(port: number, bytes: Buffer, count: number): Promise<readonly Buffer[]> {
  const socket = connect(port, '127.0.0.1')
  const answers: Buffer[] = []
  try {
    socket.end(bytes)
    await new Promise<void>((done, fail) => {
      socket.on('error', fail)
      socket.on('close', () => fail(new Error(`closed after ${answers.length} answers`)))
      socket.on(
        'data',
        messageFramer((message) => {
          answers.push(Buffer.from(message))
          if (answers.length === count) done()
        }),
      )
    })
    return answers
  } finally {
    socket.destroy()
  }
}

describe('names of the mesh', () => {
  test('are answered here, in both protocols, and never asked of a resolver', async () => {
    await using upstream = await startResolver()
    await using proxy = await running([local(upstream.port)])
    assert.equal(proxy.isConfigured, false)
    proxy.configure(names)
    assert.equal(proxy.isConfigured, true)
    const dns = client(proxy.port)
    assert.deepEqual(await dns.resolve4('Backend.svc.mesh.local', { ttl: true }), [{ address: '241.0.0.1', ttl: 30 }])
    await assert.rejects(dns.resolve6('backend.svc.mesh.local'), { code: 'ENODATA' })
    await assert.rejects(dns.resolveTxt('backend.svc.mesh.local'), { code: 'ENODATA' })
    const [answer] = await askTcp(proxy.port, frameMessage(asking('backend.svc.mesh.local')), 1)
    assert.deepEqual(answer && dataOf(answer), ['241.0.0.1'])
    assert.equal(upstream.asked.length, 0)
  })

  test('a new set is in force at once and as a whole; one that cannot be read changes nothing', async () => {
    await using upstream = await startResolver()
    await using proxy = await running([local(upstream.port)])
    proxy.configure(names)
    assert.throws(() => proxy.configure('nonsense'), { code: 'process/bad-config' })
    const dns = client(proxy.port)
    assert.deepEqual(await dns.resolve4('backend.svc.mesh.local'), ['241.0.0.1'])
    proxy.configure({ records: [{ name: 'other.mesh', ips: ['241.0.0.2'] }], ttl: 30 })
    assert.deepEqual(await dns.resolve4('other.mesh'), ['241.0.0.2'])
    assert.deepEqual(await dns.resolve4('backend.svc.mesh.local'), ['192.0.2.1'], 'no longer ours: the resolver is asked')
  })

  test('a client that takes 512 bytes gets a long answer over TCP', async () => {
    await using proxy = await running([])
    const ips = Array.from({ length: 60 }, (_, at) => `241.0.1.${at}`)
    proxy.configure({ records: [{ name: 'many.mesh', ips }], ttl: 30 })
    const short = decode(await askUdp(proxy.port, asking('many.mesh')))
    assert.ok(((short.flags ?? 0) & 0x200) !== 0 && short.answers?.length === 0)
    assert.deepEqual((await client(proxy.port).resolve4('many.mesh')).toSorted(), ips.toSorted())
  })
})

describe('other names', () => {
  test('are asked of the resolver with an id and a port of their own, and come back as they were', async () => {
    await using upstream = await startResolver()
    await using proxy = await running([local(upstream.port)])
    for (let round = 0; round < 20; round++) assert.deepEqual(dataOf(await askUdp(proxy.port, asking('example.com'))), ['192.0.2.1'])
    assert.ok(new Set(upstream.asked.map(({ packet }) => packet.id)).size > 15, 'ids are random')
    assert.ok(new Set(upstream.asked.map(({ fromPort }) => fromPort)).size > 15, 'ports are random')
    upstream.answer = (query) => [reply(query, [], { rcode: rcodes.nameError })]
    const missing = await askUdp(proxy.port, asking('nowhere.example'))
    assert.deepEqual([rcode(missing), missing.readUInt16BE(0)], [rcodes.nameError, 0x1234])
    await assert.rejects(client(proxy.port).resolve4('nowhere.example'), { code: 'ENOTFOUND' })
  })

  test('a cut answer is passed on as such, and the query that follows over TCP goes on over TCP', async () => {
    await using upstream = await startResolver()
    await using proxy = await running([local(upstream.port)])
    const answers: Answer[] = Array.from({ length: 100 }, (_, at) => ({ type: 'A', name: 'big.example', ttl: 1, data: `192.0.2.${at}` }))
    upstream.answer = (query, _, transport) => [transport === 'udp' ? reply(query, [], { truncated: true }) : reply(query, answers)]
    assert.equal((await client(proxy.port).resolve4('big.example')).length, 100)
    assert.deepEqual(
      upstream.asked.map(({ transport }) => transport),
      ['udp', 'tcp'],
    )
  })

  test('forged answers are passed over: other ids, other questions, queries, garbage', async () => {
    await using upstream = await startResolver()
    await using proxy = await running([local(upstream.port)])
    const forged: Answer[] = [{ type: 'A', name: 'example.com', ttl: 1, data: '203.0.113.66' }]
    upstream.answer = (query) => [
      reply(query, forged, { id: ((query.id ?? 0) + 1) & 0xffff }),
      reply({ ...query, questions: [{ type: 'A', name: 'example.net' }] }, forged),
      encode({ ...query, type: 'query', answers: forged }),
      Buffer.from('nonsense'),
      Buffer.alloc(0),
      reply(query, [{ type: 'A', name: 'example.com', ttl: 1, data: '192.0.2.7' }]),
    ]
    assert.deepEqual(dataOf(await askUdp(proxy.port, asking('example.com'))), ['192.0.2.7'])
    // nothing but forgeries is no answer
    upstream.answer = (query) => Array.from({ length: 64 }, (_, at) => reply(query, forged, { id: ((query.id ?? 0) + 1 + at) & 0xffff }))
    assert.equal(rcode(await askUdp(proxy.port, asking('example.com'))), rcodes.serverFailure)
  })

  test('the next resolver is asked when one refuses or is not there; when none knows, the refusal comes back', async () => {
    await using refusing = await startResolver()
    await using knowing = await startResolver('192.0.2.2')
    refusing.answer = (query) => [reply(query, [], { rcode: rcodes.refused })]
    const gone = await startResolver()
    await gone[Symbol.asyncDispose]()
    await using proxy = await running([local(gone.port), local(refusing.port), local(knowing.port)])
    assert.deepEqual(dataOf(await askUdp(proxy.port, asking('example.com'))), ['192.0.2.2'])
    await using strict = await running([local(gone.port), local(refusing.port)])
    assert.equal(rcode(await askUdp(strict.port, asking('example.com'))), rcodes.refused)
    await using alone = await running([local(gone.port)])
    assert.equal(rcode(await askUdp(alone.port, asking('example.com'))), rcodes.serverFailure)
  })

  test('a resolver that is silent costs its time, then the client is told', async () => {
    const clock = new FakeClock()
    await using upstream = await startResolver()
    await using proxy = await running([local(upstream.port)], clock)
    const heard = Promise.withResolvers<void>()
    upstream.answer = () => {
      heard.resolve()
      return []
    }
    const answer = askUdp(proxy.port, asking('example.com'))
    await heard.promise
    clock.advance(4_999)
    assert.match(await proxy.metrics(), /kuma_dp_dns_upstream_request_failure_count 0\n/)
    clock.advance(1)
    assert.equal(rcode(await answer), rcodes.serverFailure)
    assert.match(await proxy.metrics(), /kuma_dp_dns_upstream_request_failure_count 1\n/)
  })

  test('when too many queries wait for resolvers, further ones are told at once', async () => {
    await using upstream = await startResolver()
    upstream.answer = () => []
    const ask = createUpstream({
      resolvers: () => ({ resolvers: [local(upstream.port)], timeoutMs: 1_000, attempts: 1 }),
      clock: new FakeClock(),
    })
    const reading = readQuery(asking('example.com'))
    assert.equal(reading.kind, 'query')
    const { query } = reading as Extract<typeof reading, { readonly kind: 'query' }>
    const waiting = Array.from({ length: 256 + 1024 }, () => ask.ask(query, 'udp').then(() => 'answered', messageOf))
    await assert.rejects(ask.ask(query, 'udp'), /too many queries wait/)
    ask.close()
    assert.equal((await Promise.all(waiting)).length, 256 + 1024)
  })
})

describe('hostile clients', () => {
  test('hundreds of queries at once, local and other ones, are all answered', async () => {
    await using upstream = await startResolver()
    await using proxy = await running([local(upstream.port)])
    proxy.configure(names)
    const frames = Array.from({ length: 600 }, (_, id) =>
      frameMessage(
        encode({ type: 'query', id, questions: [{ type: 'A', name: id % 6 !== 0 ? 'backend.svc.mesh.local' : `n${id}.example` }] }),
      ),
    )
    const answers = await askTcp(proxy.port, Buffer.concat(frames), 600)
    assert.deepEqual(new Set(answers.map((answer) => answer.readUInt16BE(0))).size, 600)
    for (const answer of answers) assert.deepEqual(dataOf(answer), [answer.readUInt16BE(0) % 6 !== 0 ? '241.0.0.1' : '192.0.2.1'])
  })

  test('garbage gets a refusal or nothing, and the next query its answer', async () => {
    await using proxy = await running([])
    proxy.configure(names)
    const socket = createSocket('udp4')
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(11),
      Buffer.alloc(12, 0xff),
      Buffer.alloc(1_400, 0xc0),
      encode({ type: 'response', id: 1, questions: [] }),
    ])
      socket.send(bytes, proxy.port, '127.0.0.1')
    const cut = asking('backend.svc.mesh.local').subarray(0, 20)
    socket.send(cut, proxy.port, '127.0.0.1')
    // datagrams of one socket to another keep their order on this host
    const [first] = (await once(socket, 'message')) as [Buffer]
    assert.equal(rcode(first), rcodes.formatError)
    socket.close()
    assert.deepEqual(dataOf(await askUdp(proxy.port, asking('backend.svc.mesh.local'))), ['241.0.0.1'])
  })

  test('a connection with messages that are none is ended, one that stays silent after a while, and the proxy closes all', async () => {
    const clock = new FakeClock()
    await using proxy = await running([], clock)
    proxy.configure(names)
    const framed = frameMessage(asking('backend.svc.mesh.local'))
    const tooShort = connected(proxy.port)
    tooShort.socket.write(Buffer.from([0, 0]))
    await tooShort.closed
    const slow = connected(proxy.port)
    slow.socket.write(framed)
    await once(slow.socket, 'data')
    slow.socket.write(framed.subarray(0, 5))
    clock.advance(10_000)
    await slow.closed
    const open = connected(proxy.port)
    open.socket.write(framed)
    await once(open.socket, 'data')
    await proxy.close()
    await open.closed
  })
})

describe('ports and metrics', () => {
  test('a port that is taken is an error with advice', async () => {
    await using proxy = await running([])
    const upstream = createUpstream({ resolvers: () => ({ resolvers: [], timeoutMs: 1, attempts: 1 }), clock: new FakeClock() })
    await assert.rejects(startDnsProxy({ port: proxy.port, upstream, clock: new FakeClock(), log: silentLogger }), {
      code: 'process/port-taken',
      message: /--dns-proxy-port/,
    })
  })

  test('what is counted, under the names of stock launchers', async () => {
    await using upstream = await startResolver()
    await using proxy = await running([local(upstream.port)])
    proxy.configure(names)
    await askUdp(proxy.port, asking('backend.svc.mesh.local'))
    await askUdp(proxy.port, asking('example.com'))
    await askUdp(proxy.port, asking('x').subarray(0, 14))
    const text = await proxy.metrics()
    for (const line of [
      'kuma_dp_dns_queries_total{qtype="A",source="local"} 1',
      'kuma_dp_dns_queries_total{qtype="A",source="upstream"} 1',
      'kuma_dp_dns_response_codes_total{rcode="noerror"} 2',
      'kuma_dp_dns_response_codes_total{rcode="other"} 1',
      'kuma_dp_dns_entries_total 1',
      'kuma_dp_dns_request_duration_seconds_count 2',
      'kuma_dp_dns_upstream_request_duration_seconds_count 1',
      'kuma_dp_dns_config_ready_wait_seconds_count 1',
    ])
      assert.ok(text.includes(`${line}\n`), line)
    assert.deepEqual(proxy.labels, { mesh: 'default' })
  })
})
