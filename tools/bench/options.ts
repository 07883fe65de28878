// The command line of the benchmark.
import { isAbsolute, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../run-command.ts'

export const steps = [
  'traffic',
  'start',
  'empty',
  'cold',
  'idle',
  'edits',
  'services',
  'endpoints',
  'disconnect',
  'restart',
  'embedded',
  'large',
  'federation',
  'policies',
  'store',
  'scale',
] as const
export type Step = (typeof steps)[number]

/** A control plane to measure: what runs it, without its `run`. */
export interface ControlPlane {
  readonly label: string
  readonly program: string
  readonly args: readonly string[]
  /** Its zones' trust bundles reach each other only by hand. */
  readonly needsSharedTrust: boolean
}

export interface Options {
  readonly controlPlanes: readonly ControlPlane[]
  readonly steps: ReadonlySet<Step>
  readonly dps: number
  readonly zones: number
  readonly services: number
  readonly reachable: number
  readonly rounds: number
  readonly probes: number
  readonly endpointRounds: number
  readonly largeDps: number
  readonly idleSeconds: number
  readonly settleSeconds: number
  readonly patienceSeconds: number
  readonly repeat: number
  /** First port, or undefined: a free range is looked for. */
  readonly base: number | undefined
  readonly env: Readonly<Record<string, string>>
  readonly output: 'table' | 'json'
  readonly keep: boolean
  /** The federation at both sizes of its goals. False when the command line names a size. */
  readonly isFullFederation: boolean
}

export const usage = `npm run bench -- [options]
npm run bench -- federation [options]
npm run bench -- policies [options]
npm run bench -- store|scale [options]

With "federation": what crosses zones, at 5 x 100 and 10 x 200 proxies (once, at --zones and --dps, where they are given), a frozen zone,
and global with 50 quiet zones, a zone of 10,000 dataplanes and a stream of updates.

With "policies": what edits of policies cost in one zone of 1,000 proxies, 200 services and 50 policies, beside making everything anew.

With "store": what the durable stores do with 10,000 dataplanes and their insights. With "scale": a zone of 10,000 dataplanes on each of them, and what
a small federation asks of its database while idle and under edits. Both start a PostgreSQL of their own (14 or newer, with its contrib modules).

Measures the control plane with simulated proxies and real Envoys, all on loopback, and prints every figure beside its goal. Never fails on a figure.

  --dps N              simulated sidecars in each zone (100; policies: 1000)
  --zones N            zones (2)
  --services N         services in each zone (20; policies: 200)
  --reachable N        services each sidecar may reach, half of them in other zones (10)
  --rounds N           policy edits, and denials through real Envoys (10)
  --probes N           new services (3)
  --endpoint-rounds N  changes of the last endpoint (5)
  --only LIST          of ${steps.join(',')}
                       (all but large, federation, policies, store and scale; what a step builds on is run, and measured, too)
  --large              also one zone with --large-dps sidecars (1000)
  --idle SECONDS       idle time before memory is read, and over which CPU is (60)
  --settle SECONDS     quiet time before idling starts; a control plane gives memory back within it (12)
  --patience SECONDS   longest wait for a fleet to get somewhere (300)
  --cp CMD             the control plane, run as "CMD run" (./weft cp)
  --compare CMD        another one, e.g. a stock kuma-cp, alternating with the first: two columns and their ratio
  --repeat N           runs of each (1); figures are medians over runs
  --base PORT          first of up to 100 ports per federation (a free range is looked for)
  --env K=V            for every control plane, repeatable
  --keep               leave work folders and logs
  -o table|json        output (table); progress goes to stderr
`

/** Steps that are a measurement of their own. */
const commands = ['federation', 'policies', 'store', 'scale'] as const

/** Options of a command line. Throws with one line for the user when it makes no sense; undefined when help was asked for. */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      dps: { type: 'string' },
      zones: { type: 'string' },
      services: { type: 'string' },
      reachable: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '10' },
      probes: { type: 'string', default: '3' },
      'endpoint-rounds': { type: 'string', default: '5' },
      only: { type: 'string' },
      large: { type: 'boolean', default: false },
      'large-dps': { type: 'string', default: '1000' },
      idle: { type: 'string', default: '60' },
      settle: { type: 'string', default: '12' },
      patience: { type: 'string', default: '300' },
      cp: { type: 'string' },
      compare: { type: 'string' },
      repeat: { type: 'string', default: '1' },
      base: { type: 'string' },
      env: { type: 'string', multiple: true, default: [] },
      keep: { type: 'boolean', default: false },
      output: { type: 'string', short: 'o', default: 'table' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const task = commands.find((each) => each === positionals[0] && positionals.length === 1)
  if (positionals.length > 0 && task === undefined) throw new Error(`${positionals.join(' ')}: the commands are ${commands.join(', ')}`)
  const isFederation = task === 'federation'
  const isPolicies = task === 'policies'
  if (values.output !== 'table' && values.output !== 'json') throw new Error(`-o ${values.output}: table or json`)
  const ours: ControlPlane =
    values.cp === undefined
      ? { label: 'weft', program: join(root, 'weft'), args: ['cp'], needsSharedTrust: false }
      : { ...command(values.cp), needsSharedTrust: false }
  return {
    controlPlanes: values.compare === undefined ? [ours] : [ours, { ...command(values.compare), needsSharedTrust: true }],
    steps: task ? new Set<Step>([task]) : chosen(values.only, values.large),
    dps: whole('dps', values.dps ?? (isPolicies ? '1000' : '100'), 1),
    zones: isPolicies ? 1 : whole('zones', values.zones ?? (isFederation ? '5' : '2'), 1),
    isFullFederation: isFederation && values.dps === undefined && values.zones === undefined,
    services: whole('services', values.services ?? (isPolicies ? '200' : '20'), 1),
    reachable: whole('reachable', values.reachable, 1),
    rounds: whole('rounds', values.rounds, 1),
    probes: whole('probes', values.probes, 1),
    endpointRounds: whole('endpoint-rounds', values['endpoint-rounds'], 1),
    largeDps: whole('large-dps', values['large-dps'], 1),
    idleSeconds: whole('idle', values.idle, 1),
    settleSeconds: whole('settle', values.settle, 0),
    patienceSeconds: whole('patience', values.patience, 1),
    repeat: whole('repeat', values.repeat, 1),
    base: values.base === undefined ? undefined : whole('base', values.base, 1),
    env: Object.fromEntries(values.env.map(pair)),
    output: values.output,
    keep: values.keep,
  }
}

function chosen(only: string | undefined, withLarge: boolean): ReadonlySet<Step> {
  const names =
    only === undefined
      ? steps.filter((step) => step !== 'large' && !commands.some((task) => task === step))
      : only.split(',').map((name) => stepNamed(name.trim()))
  return new Set(withLarge ? [...names, 'large'] : names)
}

function stepNamed(name: string): Step {
  const step = steps.find((each) => each === name)
  if (!step) throw new Error(`--only ${name}: no such step; there are ${steps.join(', ')}`)
  return step
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} ${text}: a whole number of at least ${least}`)
  return value
}

function pair(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new Error(`--env ${text}: K=V`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Words of a command line; a relative program with a slash is taken from where the benchmark was started. */
function command(line: string): Pick<ControlPlane, 'label' | 'program' | 'args'> {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
  const [program, ...args] = words
  if (program === undefined || program === '') throw new Error('a control plane command is empty')
  const path = program.includes('/') && !isAbsolute(program) ? resolve(program) : program
  const named = [path, ...args].findLast((word) => word.includes('/')) ?? path
  return { label: named.split('/').at(-1) ?? named, program: path, args }
}
