// npm run chaos: the long form of the chaos suite. Every round injects up to three faults at once, then all invariants are judged.
import { parseArgs } from 'node:util'
import { messageOf } from '../../packages/foundation/src/errors/index.ts'
import type { FaultKind } from './fault.ts'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { type LayoutName, layouts } from './layout.ts'
import { allKinds, crashFaults, faultKinds, rounds } from './plan.ts'
import { chosenSeed, createRandom } from './random.ts'
import { runRound, textOf } from './round.ts'
import { createStage, type Stage } from './stage.ts'

const usage = `npm run chaos -- [options]

Runs a global and two zones with simulated proxies, injects faults of networks, processes, databases and peers, and judges after every
round that nothing is lost, reordered, deleted without evidence, attributed wrongly or left different. Federations whose state lies in
files and in memory, and (where PostgreSQL 14 or newer is installed) in databases and in files, take turns.

  --rounds N    rounds (20)
  --seed N      repeats a run (CHAOS_SEED, else a new one)
  --only LIST   kinds of faults, separated by commas, or crashes; all others are left out
  --list        prints the kinds and ends
  --fresh N     a new federation every N rounds (25)
  --keep        leaves work folders and logs of the control planes
  --help        prints this

Ends with 0 when every invariant held, 1 when one was broken, 2 for a wrong command line.
`

export interface ChaosOptions {
  readonly rounds: number
  readonly seed: number
  /** Undefined: all that is drawn. */
  readonly kinds: readonly FaultKind[] | undefined
  /** Take turns. */
  readonly layouts: readonly LayoutName[]
  readonly fresh: number
  readonly keep: boolean
}

/** Options of a command line; a text is to be printed instead of a run. Throws with one line for the user when it makes no sense. */
export function parseChaosOptions(argv: readonly string[]): ChaosOptions | string {
  const { values } = parseArgs({
    args: [...argv],
    allowPositionals: false,
    options: {
      rounds: { type: 'string', default: '20' },
      seed: { type: 'string' },
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
      fresh: { type: 'string', default: '25' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return usage
  if (values.list) return allKinds.map(({ name, awaits }) => `${name}${awaits ? ` (not drawn: awaits ${awaits})` : ''}\n`).join('')
  return {
    rounds: whole('rounds', values.rounds, 1),
    seed: values.seed === undefined ? chosenSeed() : whole('seed', values.seed, 0),
    kinds: values.only === undefined ? undefined : values.only.split(',').flatMap((name) => kindsNamed(name.trim())),
    // that crashes lose nothing holds where nothing is in memory
    layouts: values.only?.split(',').includes('crashes') ? ['disks', 'databases'] : ['files', 'databases'],
    fresh: whole('fresh', values.fresh, 1),
    keep: values.keep,
  }
}

function kindsNamed(name: string): readonly FaultKind[] {
  if (name === 'crashes') return crashFaults
  const kind = allKinds.find((each) => each.name === name)
  if (!kind) throw new Error(`--only ${name}: no such kind; --list prints them`)
  return [kind]
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} ${text}: a whole number of at least ${least}`)
  return value
}

/** Resolves with the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  let options: ChaosOptions | string
  try {
    options = parseChaosOptions(argv)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    return 2
  }
  if (typeof options === 'string') {
    process.stdout.write(options)
    return 0
  }
  const started = performance.now()
  const say = (text: string): void =>
    void process.stdout.write(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${text}\n`)
  say(`seed ${options.seed}`)
  const outcome = await runAll(options, say)
  const counts = [...outcome.injected]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `  ${String(count).padStart(4)}  ${name}\n`)
    .join('')
  process.stdout.write(`\nfaults injected:\n${counts}`)
  for (const text of outcome.broken) process.stdout.write(`BROKEN ${text}\n`)
  process.stdout.write(
    `${outcome.rounds} rounds, ${outcome.happenings} happenings judged, ${outcome.broken.length} violations (--seed ${options.seed})\n`,
  )
  return outcome.broken.length === 0 ? 0 : 1
}

interface Outcome {
  rounds: number
  happenings: number
  readonly injected: Map<string, number>
  readonly broken: string[]
}

/** Stops at the first broken round: what follows would only repeat it. */
async function runAll(
  { seed, rounds: wanted, kinds, layouts: wantedLayouts, fresh, keep }: ChaosOptions,
  say: (text: string) => void,
): Promise<Outcome> {
  const random = createRandom(seed)
  const outcome: Outcome = { rounds: 0, happenings: 0, injected: new Map(), broken: [] }
  const turns = possible(wantedLayouts, kinds).map((layout) => ({ layout, plan: rounds(random, chosenIn(layout, kinds)) }))
  let turn = random.between(0, turns.length - 1)
  let stage: Stage | undefined
  const close = async (): Promise<void> => {
    if (!stage) return
    outcome.broken.push(...(await stage.finish()).map(textOf))
    outcome.happenings += stage.history.happenings.length
    await stage[Symbol.asyncDispose]()
    stage = undefined
  }
  try {
    while (outcome.rounds < wanted && outcome.broken.length === 0) {
      const now = turns[turn % turns.length]
      if (!now) throw new Error('none of these faults can be injected here')
      if (!stage)
        say(
          `a new federation: ${Object.entries(layouts[now.layout])
            .map((of) => of.join(' '))
            .join(', ')}`,
        )
      stage ??= await createStage({ random, keep, layout: now.layout })
      const { faults, kinds: names } = now.plan.next().value
      outcome.rounds++
      say(`round ${outcome.rounds}: ${faults.map(({ name }) => name).join('; ')}`)
      const found = await runRound(stage, { faults, kinds: names })
      for (const name of names) outcome.injected.set(name, (outcome.injected.get(name) ?? 0) + 1)
      outcome.broken.push(...found.map((text) => `round ${outcome.rounds}: ${text}`))
      if (outcome.rounds % fresh !== 0) continue
      await close()
      turn++
    }
  } catch (error) {
    outcome.broken.push(messageOf(error))
  }
  try {
    await close()
  } catch (error) {
    outcome.broken.push(messageOf(error))
  }
  return outcome
}

/** Layouts in which anything of this can be injected here. */
function possible(wanted: readonly LayoutName[], kinds: readonly FaultKind[] | undefined): readonly LayoutName[] {
  const missing = withoutPostgres()
  if (missing !== false) process.stderr.write(`no databases: ${missing}\n`)
  return wanted.filter((layout) => (layout !== 'databases' || missing === false) && chosenIn(layout, kinds).length > 0)
}

/** Kinds that were asked for as far as a layout can have them. */
function chosenIn(layout: LayoutName, kinds: readonly FaultKind[] | undefined): readonly FaultKind[] {
  const drawn = faultKinds(layout)
  // what is asked for by name may be one that awaits something
  return kinds ? kinds.filter((kind) => drawn.includes(kind) || (layout === 'files' && kind.awaits !== undefined)) : drawn
}
