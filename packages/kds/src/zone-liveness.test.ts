// The verdict on zones against a fake clock: exact without stalls of our own, and never wrong because of one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createZoneLiveness, defaultLiveness, type FollowedStream } from './zone-liveness.ts'

function setUp() {
  const clock = new FakeClock()
  const told: string[] = []
  const pings: number[] = []
  const liveness = createZoneLiveness({
    clock,
    log: silentLogger,
    settings: defaultLiveness,
    listener: { silent: (zone) => told.push(`silent ${zone}`), back: (zone) => told.push(`back ${zone}`) },
  })
  liveness.pinging(() => pings.push(clock.monotonic()))
  const contact = (zone = 'east'): string => liveness.contact(zone).contact
  return { clock, liveness, told, pings, contact }
}

test('a frozen zone is silent after three intervals, shown and told within eight seconds, and comes back with the first word', () => {
  const { clock, liveness, told, pings, contact } = setUp()
  const stream = liveness.opened('east', 'a:1')
  clock.advance(1_300)
  stream.heard()
  clock.advance(5_900)
  assert.deepEqual([contact(), told, liveness.isAnswering('east')], ['connected', [], false])
  clock.advance(101)
  assert.equal(contact(), 'silent', 'a reader need not wait for the next beat')
  clock.advance(1_000)
  assert.deepEqual(told, ['silent east'])
  assert.equal(liveness.contact('east').ageMs, 7_001)
  assert.deepEqual(pings, [2_000, 4_000, 6_000, 8_000])
  stream.heard()
  assert.deepEqual([contact(), told, liveness.isAnswering('east')], ['connected', ['silent east', 'back east'], true])
})

test('a zone that leaves is gone; one that fell silent first stays silent when its streams break', () => {
  const { clock, liveness, told, contact } = setUp()
  assert.equal(contact(), 'gone')
  const orderly = liveness.opened('east', 'a:1')
  const silent = liveness.opened('west', 'b:1')
  orderly.ended()
  orderly.ended()
  assert.equal(contact(), 'gone')
  clock.advance(20_000)
  silent.ended()
  assert.deepEqual([contact('west'), told], ['silent', ['silent west']])
  assert.equal(clock.pending, 0, 'nothing is left to judge')
  liveness.opened('west', 'b:2')
  assert.deepEqual([contact('west'), told], ['connected', ['silent west', 'back west']])
})

test('what is due when the streams break counts first', () => {
  const { clock, liveness, told, contact } = setUp()
  const stream = liveness.opened('east', 'a:1')
  clock.advance(500)
  stream.heard()
  clock.advance(6_100)
  assert.deepEqual(told, [], 'the beat at 7 s has not come')
  stream.ended()
  assert.deepEqual([contact(), told], ['silent', ['silent east']])
})

test('connections of one zone are told apart, and a zone that never promised to speak is not judged', () => {
  const { clock, liveness, contact } = setUp()
  const old = liveness.opened('east', 'old:1')
  const young = liveness.opened('east', 'new:1')
  clock.advance(3_500)
  young.heard()
  assert.deepEqual([liveness.isAnswering('east', 'old:1'), liveness.isAnswering('east', 'new:1'), contact()], [false, true, 'connected'])
  liveness.heard('east', 'old:1')
  assert.equal(liveness.isAnswering('east', 'old:1'), true)
  old.ended()
  assert.equal(liveness.isAnswering('east', 'old:1'), false)
  liveness.opened('quiet', 'c:1', { tells: false })
  clock.advance(60_000)
  assert.deepEqual([contact('quiet'), contact('east')], ['connected', 'silent'])
})

test('without stalls the verdict is exactly the time since a zone was heard', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('wait'), ms: fc.integer({ min: 1, max: 9_000 }) }),
    fc.record({ kind: fc.constant('hear'), ms: fc.constant(0) }),
    fc.record({ kind: fc.constant('open'), ms: fc.constant(0) }),
    fc.record({ kind: fc.constant('end'), ms: fc.constant(0) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { clock, liveness, contact, told } = setUp()
      const streams: FollowedStream[] = []
      let heard = 0
      let sticky = false
      for (const { kind, ms } of steps) {
        const overdue = (): boolean => streams.length > 0 && clock.monotonic() - heard >= defaultLiveness.silentAfterMs
        if (kind === 'wait') clock.advance(ms)
        if (overdue()) sticky = true
        if (kind === 'open') streams.push(liveness.opened('east', `peer:${streams.length}`))
        if (kind === 'hear') streams[0]?.heard()
        if (kind === 'open' || (kind === 'hear' && streams.length > 0)) {
          heard = clock.monotonic()
          sticky = false
        }
        if (kind === 'end') streams.shift()?.ended()
        assert.equal(contact(), sticky ? 'silent' : streams.length > 0 ? 'connected' : 'gone')
      }
      for (const [index, text] of told.entries()) assert.equal(text, index % 2 === 0 ? 'silent east' : 'back east')
    }),
  )
})

test('a stall of ours never makes a zone silent that speaks when it can be heard', () => {
  // once a beat at most: two stalls within one second of running time are one stall
  const rounds = fc.array(fc.record({ runMs: fc.integer({ min: 1_000, max: 2_000 }), stallMs: fc.integer({ min: 0, max: 600_000 }) }), {
    maxLength: 50,
  })
  fc.assert(
    fc.property(rounds, (list) => {
      const { clock, liveness, told, contact } = setUp()
      const stream = liveness.opened('east', 'a:1')
      for (const { runMs, stallMs } of list) {
        clock.stall(stallMs)
        assert.equal(contact(), 'connected', 'right after the stall, before anything could be read')
        clock.advance(runMs)
        stream.heard()
      }
      assert.deepEqual(told, [])
    }),
  )
})

test('stalls do not keep a dead zone alive', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 7, maxLength: 7 }), (stalls) => {
      const { clock, liveness, told } = setUp()
      liveness.opened('east', 'a:1')
      for (const ms of stalls) {
        clock.stall(ms)
        clock.advance(1_000)
      }
      assert.deepEqual(told, ['silent east'])
    }),
  )
})
