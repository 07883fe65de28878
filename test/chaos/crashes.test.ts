// Processes and databases that die at any moment under write load: nothing that was acknowledged is lost, no log has a gap, every chain holds,
// all places agree afterwards. CHAOS_SEED=N repeats a run; `npm run chaos -- --only crashes` goes on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { crashFaults, rounds } from './plan.ts'
import { chosenSeed, createRandom } from './random.ts'
import { runRound, textOf } from './round.ts'
import { createStage } from './stage.ts'

const count = 10

test(`${count} rounds of crashes lose nothing`, { skip: withoutPostgres(), timeout: 900_000 }, async (t) => {
  const random = createRandom(chosenSeed())
  t.diagnostic(`CHAOS_SEED=${random.seed}`)
  const started = performance.now()
  const say = (text: string): void => t.diagnostic(`${((performance.now() - started) / 1000).toFixed(1)} s  ${text}`)
  await using stage = await createStage({ random, layout: 'databases', keep: process.env['CHAOS_KEEP'] !== undefined })
  const plan = rounds(random, crashFaults)
  for (let round = 0; round < count; round++) {
    const next = plan.next().value
    const names = next.faults.map(({ name }) => name).join('; ')
    say(names)
    assert.deepEqual(await runRound(stage, next), [], `CHAOS_SEED=${random.seed}: ${names}`)
  }
  assert.deepEqual((await stage.finish()).map(textOf), [], `CHAOS_SEED=${random.seed}`)
  say(`${stage.history.happenings.length} happenings judged`)
})
