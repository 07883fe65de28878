import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decode, encode, type OptAnswer, type Packet, RECURSION_DESIRED } from 'dns-packet'
import fc from 'fast-check'
import { answerAddresses, answerFailure, answersQuery, fitDatagram, type Query, readQuery, rcodeOf, rcodes, withId } from './message.ts'

const asking = (name: string, type: 'A' | 'AAAA' | 'TXT' = 'A', more: Packet = {}): Buffer =>
  encode({ type: 'query', id: 0x1234, flags: RECURSION_DESIRED, questions: [{ type, name }], ...more })
const opt = (more: Partial<OptAnswer> = {}): OptAnswer => ({
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1400,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
  ...more,
})
function query(bytes: Buffer): Query {
  const reading = readQuery(bytes)
  assert.equal(reading.kind, 'query')
  return (reading as { readonly query: Query }).query
}
function refusal(bytes: Buffer): number {
  const reading = readQuery(bytes)
  assert.equal(reading.kind, 'refusal')
  const { answer, rcode } = reading as { readonly answer: Buffer; readonly rcode: number }
  assert.equal(answer.readUInt16BE(0), bytes.readUInt16BE(0), 'the id comes back')
  assert.ok((answer.readUInt16BE(2) & 0x8000) !== 0, 'it is a response')
  assert.doesNotThrow(() => decode(answer))
  return rcode
}
const header = (...counts: readonly [number, number, number, number]): Buffer => {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt16BE(0x4242, 0)
  counts.forEach((count, at) => bytes.writeUInt16BE(count, 4 + 2 * at))
  return bytes
}

describe('reading a query', () => {
  test('name, type and what the client takes', () => {
    const plain = query(asking('Backend.svc.mesh.local', 'AAAA'))
    assert.deepEqual([plain.name, plain.type, plain.isInternet, plain.udpPayloadBytes], ['Backend.svc.mesh.local', 'AAAA', true, undefined])
    assert.equal(query(asking('a.b', 'A', { additionals: [opt({ flag_do: true, flags: 0x8000 })] })).dnssecOk, true)
    assert.equal(query(asking('a.b', 'A', { additionals: [opt()] })).udpPayloadBytes, 1400)
  })

  test('silence for what is no query', () => {
    assert.equal(readQuery(Buffer.alloc(0)).kind, 'silence')
    assert.equal(readQuery(Buffer.alloc(11)).kind, 'silence')
    assert.equal(readQuery(encode({ type: 'response', id: 1, questions: [{ type: 'A', name: 'a' }] })).kind, 'silence')
  })

  test('refusals: other operations, no or several questions, cut, compressed or endless ones, announced records that are not there', () => {
    const notify = asking('a.b')
    notify.writeUInt16BE(0x2000, 2)
    assert.equal(refusal(notify), rcodes.notImplemented)
    assert.equal(refusal(header(0, 0, 0, 0)), rcodes.formatError)
    assert.equal(
      refusal(
        encode({
          type: 'query',
          id: 5,
          questions: [
            { type: 'A', name: 'a' },
            { type: 'A', name: 'b' },
          ],
        }),
      ),
      rcodes.formatError,
    )
    const whole = asking('backend.svc.mesh.local')
    for (let end = 12; end < whole.length; end++) assert.equal(refusal(whole.subarray(0, end)), rcodes.formatError, `cut at ${end}`)
    const tail = Buffer.from([0, 1, 0, 1])
    // a pointer to itself, to the header, and to the end
    for (const pointer of [12, 0, 14]) {
      assert.equal(refusal(Buffer.concat([header(1, 0, 0, 0), Buffer.from([0xc0, pointer]), tail])), rcodes.formatError)
    }
    const labels = Buffer.concat([...Array.from({ length: 200 }, () => Buffer.from([1, 0x61])), Buffer.from([0])])
    assert.equal(refusal(Buffer.concat([header(1, 0, 0, 0), labels, tail])), rcodes.formatError)
    const announced = asking('a.b')
    announced.writeUInt16BE(0xffff, 6)
    announced.writeUInt16BE(0xffff, 10)
    assert.equal(refusal(announced), rcodes.formatError)
    const looping = Buffer.concat([asking('a.b'), Buffer.from([0xc0, 21]), Buffer.alloc(10)])
    looping.writeUInt16BE(1, 10)
    assert.equal(refusal(looping), rcodes.formatError)
  })

  test('EDNS: once, and only the version there is', () => {
    assert.equal(refusal(asking('a.b', 'A', { additionals: [opt(), opt()] })), rcodes.formatError)
    const reading = readQuery(asking('a.b', 'A', { additionals: [opt({ ednsVersion: 1 })] }))
    assert.equal(reading.kind, 'refusal')
    const answer = decode((reading as { readonly answer: Buffer }).answer)
    assert.equal((answer.additionals?.[0] as OptAnswer | undefined)?.extendedRcode, 1, 'BADVERS')
  })

  test('any bytes are read without an exception, and what comes back is short and a response', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.uint8Array({ maxLength: 600 }).map((tail) => Buffer.concat([header(1, 0, 0, 1), tail])),
      fc.tuple(fc.nat(60), fc.nat(255)).map(([at, byte]) => {
        const bytes = asking('backend.svc.mesh.local', 'A', { additionals: [opt()] })
        bytes[at % bytes.length] = byte
        return bytes
      }),
    )
    fc.assert(
      fc.property(hostile, (bytes) => {
        const reading = readQuery(Buffer.from(bytes))
        if (reading.kind === 'query') return answerFailure(reading.query, rcodes.serverFailure).length <= bytes.length
        return reading.kind === 'silence' || (reading.answer.length <= bytes.length + 11 && (reading.answer[2] ?? 0) >= 0x80)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('answers', () => {
  const addresses = { ipv4: ['241.0.0.1', '241.0.0.2'], ipv6: ['::ffff:f100:1'] }

  test('own names: the addresses of the type asked for, authoritative, with the question as it was spelled', () => {
    const packet = decode(answerAddresses(query(asking('BackEnd.mesh')), addresses, 30))
    assert.deepEqual(packet.questions, [{ name: 'BackEnd.mesh', type: 'A', class: 'IN' }])
    assert.deepEqual(
      packet.answers?.map((answer) => [answer.name, answer.type, 'ttl' in answer && answer.ttl, 'data' in answer && answer.data]),
      [
        ['BackEnd.mesh', 'A', 30, '241.0.0.1'],
        ['BackEnd.mesh', 'A', 30, '241.0.0.2'],
      ],
    )
    const flags = packet.flags ?? 0
    assert.deepEqual([packet.id, flags & 0x400, flags & 0x100, flags & 0x80, flags & 0xf], [0x1234, 0x400, 0x100, 0x80, 0])
    assert.equal(packet.additionals?.length, 0)
    const six = decode(answerAddresses(query(asking('b.mesh', 'AAAA', { additionals: [opt()] })), addresses, 30))
    assert.deepEqual(
      six.answers?.map((answer) => 'data' in answer && answer.data),
      ['::ffff:f100:1'],
    )
    assert.equal((six.additionals?.[0] as OptAnswer | undefined)?.udpPayloadSize, 1232)
  })

  test('a name without addresses of that kind exists: no error and no answers', () => {
    for (const type of ['AAAA', 'TXT'] as const) {
      const answer = answerAddresses(query(asking('b.mesh', type)), { ipv4: ['241.0.0.1'], ipv6: [] }, 30)
      assert.equal(rcodeOf(answer), rcodes.noError)
      assert.equal(decode(answer).answers?.length, 0)
    }
  })

  test('a datagram holds what the client takes; a longer answer is cut to its question and says so', () => {
    const many = { ipv4: Array.from({ length: 40 }, (_, at) => `241.0.0.${at}`), ipv6: [] }
    const plain = query(asking('b.mesh'))
    const whole = answerAddresses(plain, many, 30)
    assert.ok(whole.length > 512 && whole.length < 1400)
    const cut = fitDatagram(plain, whole)
    const packet = decode(cut)
    assert.ok(cut.length <= 512 && ((packet.flags ?? 0) & 0x200) !== 0)
    assert.deepEqual([packet.questions?.length, packet.answers?.length], [1, 0])
    const wide = query(asking('b.mesh', 'A', { additionals: [opt()] }))
    const answer = answerAddresses(wide, many, 30)
    assert.equal(fitDatagram(wide, answer), answer)
  })
})

describe('whose answer it is', () => {
  const asked = query(asking('example.com'))
  const answer = (more: Packet = {}): Buffer =>
    encode({ type: 'response', id: 7, flags: 0x180, questions: [{ type: 'A', name: 'example.com' }], answers: [], ...more })

  test('id, question and direction must be those of the query; case in names does not count', () => {
    assert.ok(answersQuery(answer(), asked, 7))
    assert.ok(answersQuery(answer({ questions: [{ type: 'A', name: 'EXAMPLE.com' }] }), asked, 7))
    assert.ok(!answersQuery(answer(), asked, 8))
    assert.ok(!answersQuery(answer({ type: 'query' }), asked, 7))
    assert.ok(!answersQuery(answer({ questions: [{ type: 'AAAA', name: 'example.com' }] }), asked, 7))
    assert.ok(!answersQuery(answer({ questions: [{ type: 'A', name: 'example.net' }] }), asked, 7))
    assert.ok(
      !answersQuery(
        answer({
          questions: [
            { type: 'A', name: 'example.com' },
            { type: 'A', name: 'example.com' },
          ],
        }),
        asked,
        7,
      ),
    )
    assert.ok(!answersQuery(answer().subarray(0, 20), asked, 7))
  })

  test('only a refusal may leave the question out', () => {
    assert.ok(!answersQuery(answer({ questions: [] }), asked, 7))
    assert.ok(answersQuery(answer({ questions: [], flags: 0x180 | rcodes.refused }), asked, 7))
  })

  test('another id leaves the rest as it is', () => {
    const bytes = answer()
    assert.deepEqual(withId(bytes, 0xffff).subarray(2), bytes.subarray(2))
    assert.equal(withId(bytes, 0xffff).readUInt16BE(0), 0xffff)
    assert.equal(bytes.readUInt16BE(0), 7)
  })
})
