// The second vantage point: what counters of proxies prove, and who is asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostCounters } from './host-counters.ts'
import { createWitnesses } from './witnesses.ts'

const counters = (failures: number, successes = 0) => ({ failures, successes })

test('two failing proxies, or the only one, are evidence; a single one of several is not', () => {
  const only = createWitnesses()
  only.saw('a', counters(7))
  assert.equal(only.verdict(), 'none', 'old failures prove nothing')
  only.saw('a', counters(8))
  assert.equal(only.verdict(), 'failing')

  const several = createWitnesses()
  for (const proxy of ['a', 'b', 'c']) several.saw(proxy, counters(0))
  several.saw('a', counters(2))
  several.saw('b', counters(0))
  assert.equal(several.verdict(), 'none')
  several.saw('c', counters(1))
  assert.equal(several.verdict(), 'failing', 'rare attempts add up over looks')
})

test('one success anywhere outweighs all failures, and only what comes later counts after it', () => {
  const witnesses = createWitnesses()
  for (const proxy of ['a', 'b', 'c']) witnesses.saw(proxy, counters(0, 5))
  witnesses.saw('a', counters(9, 5))
  witnesses.saw('b', counters(9, 5))
  witnesses.saw('c', counters(0, 6))
  assert.equal(witnesses.verdict(), 'working')
  assert.equal(witnesses.verdict(), 'none')
  witnesses.saw('a', counters(10, 5))
  witnesses.saw('b', counters(10, 5))
  assert.equal(witnesses.verdict(), 'failing')
})

test('nothing read is no evidence; a failing probe elsewhere is; counters that restart are a new beginning', () => {
  const witnesses = createWitnesses()
  assert.equal(witnesses.verdict(), 'none')
  assert.equal(witnesses.verdict(1), 'failing')
  witnesses.saw('a', counters(5, 5))
  witnesses.saw('a', counters(1, 0))
  assert.equal(witnesses.verdict(), 'none')
  witnesses.saw('a', counters(1, 1))
  assert.equal(witnesses.verdict(1), 'working', 'also against other replicas')
})

test('proxies with failures are asked again, the others take turns, and those that left are forgotten', () => {
  const all = Array.from({ length: 9 }, (_, index) => `p${index}`)
  const witnesses = createWitnesses()
  const round = (): readonly string[] => {
    const chosen = witnesses.choose(all, 5)
    for (const proxy of chosen) witnesses.saw(proxy, counters(proxy === 'p3' ? looks++ : 0))
    return chosen
  }
  let looks = 0
  const rounds = Array.from({ length: 12 }, round)
  assert.ok(rounds.every((chosen) => chosen.length === 5 && new Set(chosen).size === 5))
  assert.deepEqual(rounds[0], rounds[1], 'a second look before the next ones')
  assert.ok(rounds.slice(2).every((chosen) => chosen[0] === 'p3'))
  assert.deepEqual([...new Set(rounds.flat())].sort(), all)
  assert.equal(witnesses.verdict(), 'none')
  witnesses.choose(['p3'], 5)
  assert.equal(witnesses.verdict(), 'failing', 'it is the only one now')
})

test('counters of one endpoint are added up over clusters; requests count for HTTP, connections for TCP', () => {
  const host = (port: number, stats: Readonly<Record<string, string>>) => ({
    address: { socket_address: { address: '192.0.2.1', port_value: port } },
    stats: Object.entries(stats).map(([name, value]) => ({ name, value })),
  })
  const dump = {
    cluster_statuses: [
      { name: 'web', host_statuses: [host(1, { cx_connect_fail: '2', rq_total: '9', rq_success: '4' }), { address: { pipe: {} } }] },
      { name: 'db', host_statuses: [host(1, { cx_connect_fail: '1', rq_total: '3' }), host(2, {})] },
      { name: 'empty' },
      'nonsense',
    ],
  }
  const found = hostCounters(JSON.stringify(dump), (cluster) => cluster === 'web')
  assert.deepEqual(Object.fromEntries(found), { '192.0.2.1 1': counters(3, 7), '192.0.2.1 2': counters(0, 0) })
  for (const text of ['{}', '[]', 'null', '{"cluster_statuses":7}']) assert.equal(hostCounters(text, () => true).size, 0)
  assert.throws(() => hostCounters('<html>', () => true), SyntaxError)
})
