// The verdict as a machine: random probes, looks and time against what the rules say.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dueIn, failuresNeeded, type IngressVerdict, probed, unjudged, type Witness, witnessed } from './verdict.ts'

type Event = { readonly kind: 'probe'; readonly ok: boolean } | { readonly kind: 'look'; readonly witness: Witness }

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('probe' as const), ok: fc.boolean() }),
  fc.record({ kind: fc.constant('probe' as const), ok: fc.constant(false) }),
  fc.record({ kind: fc.constant('look' as const), witness: fc.constantFrom<Witness>('failing', 'working', 'none') }),
)

const step = (verdict: IngressVerdict, event: Event, at: number): IngressVerdict =>
  event.kind === 'probe' ? probed(verdict, event.ok, at) : witnessed(verdict, event.witness, at)

test('a zone is out of reach exactly when three probes in a row and then a witness said so, and nothing since said otherwise', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let verdict = unjudged
      const past: Event[] = []
      for (const [at, next] of events.entries()) {
        verdict = step(verdict, next, at * 1_000)
        past.push(next)
        // read from the whole history, not from a state
        const lastGood = past.findLastIndex((each) => (each.kind === 'probe' ? each.ok : each.witness === 'working'))
        const lastAnswer = past.findLastIndex((each) => each.kind === 'probe' && each.ok)
        const condemned = past.some(
          (each, index) =>
            index > lastGood &&
            each.kind === 'look' &&
            each.witness === 'failing' &&
            past.slice(lastAnswer + 1, index).filter(({ kind }) => kind === 'probe').length >= failuresNeeded,
        )
        assert.equal(verdict.unreachable, condemned)
        if (verdict.failures === 0) assert.equal(verdict.failingSince, undefined)
      }
    }),
  )
})

test('the time of a rule runs from the first failure, anew when it worked meanwhile, and only once it is certain', () => {
  let verdict = unjudged
  for (const at of [1_000, 6_000, 11_000]) verdict = probed(verdict, false, at)
  assert.equal(dueIn(verdict, 30_000, 40_000), undefined)
  verdict = witnessed(verdict, 'failing', 12_000)
  assert.deepEqual([dueIn(verdict, 30_000, 12_000), dueIn(verdict, 30_000, 31_000), dueIn(verdict, 0, 12_000)], [19_000, 0, 0])
  verdict = witnessed(verdict, 'working', 20_000)
  assert.equal(dueIn(verdict, 30_000, 60_000), undefined)
  verdict = witnessed(verdict, 'failing', 25_000)
  assert.equal(dueIn(verdict, 30_000, 25_000), 25_000)
  assert.equal(dueIn(probed(verdict, true, 26_000), 0, 99_000), undefined)
})
