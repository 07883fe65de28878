// Every kind of fault once, in an order and with strengths that a printed seed decides. CHAOS_SEED=N repeats a run; `npm run chaos` goes on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultKinds, rounds } from './plan.ts'
import { chosenSeed, createRandom } from './random.ts'
import { runRound, textOf } from './round.ts'
import { createStage } from './stage.ts'

test('the invariants hold through every kind of fault', { timeout: 900_000 }, async (t) => {
  const random = createRandom(chosenSeed())
  t.diagnostic(`CHAOS_SEED=${random.seed}`)
  const started = performance.now()
  const say = (text: string): void => t.diagnostic(`${((performance.now() - started) / 1000).toFixed(1)} s  ${text}`)
  await using stage = await createStage({ random, keep: process.env['CHAOS_KEEP'] !== undefined })
  const kinds = faultKinds('files')
  const left = new Set(kinds.map(({ name }) => name))
  for (const round of rounds(random, kinds)) {
    say(round.faults.map(({ name }) => name).join('; '))
    const found = await runRound(stage, round)
    assert.deepEqual(found, [], `CHAOS_SEED=${random.seed}: ${round.faults.map(({ name }) => name).join('; ')}`)
    for (const kind of round.kinds) left.delete(kind)
    if (left.size === 0) break
  }
  assert.deepEqual((await stage.finish()).map(textOf), [], `CHAOS_SEED=${random.seed}`)
  say(`${stage.history.happenings.length} happenings judged`)
})
