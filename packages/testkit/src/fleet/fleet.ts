// Many simulated proxies of one zone, each with a TLS connection of its own, and what they see between a mark and a report.
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { type Clock, systemClock, type Timer } from '@weft/foundation/time'
import { type Expectation, type FleetReport, forget, note, type Observed, observed, reportOf } from './fleet-report.ts'
import { type FleetPlan, planIngress, type PlannedProxy, planSidecar } from './simulated-dataplane.ts'
import { SimulatedProxy } from './simulated-proxy.ts'
import type { HeldResource } from './delta-messages.ts'
import type { SimulatedType } from './envoy-resource.ts'

export interface FleetOptions {
  readonly plan: FleetPlan
  /** The zone these proxies live in; one of the plan's. */
  readonly zone: string
  /** `host:port` of its dataplane server. */
  readonly address: string
  /** Base URL of its REST API, where dataplane tokens come from. */
  readonly api: string
  /** Sidecars, spread evenly over the services. One zone ingress comes on top. */
  readonly sidecars: number
}

export interface FleetParts {
  readonly clock?: Clock
  readonly random?: () => number
  /** Gets a dataplane token for a workload. Default: the zone's REST API. */
  readonly fetchToken?: (workload: string) => Promise<string>
}

/** States of a whole fleet one can wait for. `reached`: all sidecars met the expectation of the mark. */
export type FleetState = 'reached' | 'ready' | 'complete'

export interface Fleet {
  /** Sets the mark and starts all proxies. Resolves when every one has its token and opened its stream. */
  start(): Promise<void>
  /** Starts a measurement: forgets what was seen, expects a change. */
  mark(expected?: Expectation): void
  report(): FleetReport
  /** Resolves with true once all proxies are in that state, with false after `timeoutMs`. */
  waitFor(state: FleetState, timeoutMs: number): Promise<boolean>
  /** Resolves with true once no proxy has received anything for `quietMs`, with false after `timeoutMs`. */
  quiet(quietMs: number, timeoutMs: number): Promise<boolean>
  /** One more proxy, of workload `name`, that is not measured. Resolves when its stream is open. */
  addProbe(name: string): Promise<void>
  /** Closes one proxy's stream for good. False when there is none of that name. */
  remove(name: string): boolean
  /** What one proxy holds, or undefined. */
  held(name: string): Readonly<Record<SimulatedType, ReadonlyMap<string, HeldResource>>> | undefined
  stop(): void
}

const tokenAgent = new Agent({ keepAlive: true })

/** A fleet whose proxies live in this process. */
export function createFleet(options: FleetOptions, parts: FleetParts = {}): Fleet {
  const { plan, zone, address } = options
  const clock = parts.clock ?? systemClock
  const fetchToken = parts.fetchToken ?? ((workload) => dataplaneToken(options, workload))
  const proxies = new Map<string, Observed>()
  const tokens = new Map<string, Promise<string>>()
  const waiting = new Set<() => void>()
  let expected: Expectation = {}
  let markedAt = clock.monotonic()
  let lastResponseAt: number | undefined
  let planned = 0
  let isStopped = false

  const tokenOf = (workload: string): Promise<string> => {
    let token = tokens.get(workload)
    if (!token) tokens.set(workload, (token = fetchToken(workload)))
    return token
  }
  const add = async ({ name, workload, node, backends }: PlannedProxy, isAuxiliary: boolean): Promise<void> => {
    const token = await tokenOf(workload)
    if (isStopped || proxies.has(name)) return
    const proxy = new SimulatedProxy({
      address,
      token,
      node,
      backends,
      clock,
      ...(parts.random && { random: parts.random }),
      onResponse: (_, response) => {
        lastResponseAt = response.at
        note(seen, response, expected)
        for (const check of waiting) check()
      },
    })
    const seen = observed(proxy, isAuxiliary)
    proxies.set(name, seen)
    proxy.connect()
  }
  const mark = (next: Expectation = {}): void => {
    expected = next
    markedAt = clock.monotonic()
    lastResponseAt = undefined
    for (const seen of proxies.values()) forget(seen)
  }
  const holds = (state: FleetState): boolean => {
    if (proxies.size === 0) return false
    for (const { proxy, isAuxiliary, reachedAt } of proxies.values()) {
      if (
        state === 'reached'
          ? !isAuxiliary && reachedAt === undefined
          : state === 'ready'
            ? proxy.readyAt === undefined
            : proxy.completeAt === undefined
      )
        return false
    }
    return true
  }
  return {
    start: async () => {
      mark()
      await add(planIngress(plan, zone, planned++), true)
      for (let index = 0; index < options.sidecars; index++) {
        const service = index % plan.services
        const workload = `svc-${service}`
        await add(planSidecar(plan, { zone, name: `${workload}-${zone}-${index}`, workload, index: planned++, service }), false)
      }
    },
    mark,
    report: () => reportOf([...proxies.values()], { mark: markedAt, lastResponse: lastResponseAt }),
    waitFor: (state, timeoutMs) =>
      new Promise((done) => {
        if (holds(state)) return done(true)
        let timer: Timer | undefined = undefined
        const check = (): void => {
          if (!holds(state) && !isStopped) return
          waiting.delete(check)
          timer?.cancel()
          done(!isStopped)
        }
        waiting.add(check)
        timer = clock.after(timeoutMs, () => {
          waiting.delete(check)
          done(false)
        })
      }),
    quiet: (quietMs, timeoutMs) =>
      new Promise((done) => {
        const giveUpAt = clock.monotonic() + timeoutMs
        const look = (): void => {
          const left = Math.max(markedAt, lastResponseAt ?? markedAt) + quietMs - clock.monotonic()
          if (left <= 0) done(true)
          else if (clock.monotonic() >= giveUpAt || isStopped) done(false)
          else clock.after(Math.min(left, giveUpAt - clock.monotonic()), look)
        }
        look()
      }),
    addProbe: (name) => add(planSidecar(plan, { zone, name: `${name}-0`, workload: name, index: planned++, service: 0 }), true),
    remove: (name) => {
      const seen = proxies.get(name)
      proxies.delete(name)
      seen?.proxy.close()
      return seen !== undefined
    },
    held: (name) => proxies.get(name)?.proxy.held,
    stop: () => {
      isStopped = true
      for (const { proxy } of proxies.values()) proxy.close()
      proxies.clear()
      for (const check of waiting) check()
    },
  }
}

/** By the plain client of the platform: what `fetch` brings along costs more than all the tokens. */
async function dataplaneToken({ api, plan, zone }: FleetOptions, workload: string): Promise<string> {
  const sent = request(`${api}/tokens/dataplane`, { method: 'POST', headers: { 'content-type': 'application/json' }, agent: tokenAgent })
  sent.end(JSON.stringify({ mesh: plan.mesh, workload, validFor: '24h' }))
  const answer = await new Promise<IncomingMessage>((done, fail) => void sent.once('response', done).once('error', fail))
  const answered = (await text(answer)).trim()
  if (answer.statusCode !== 200) throw new Error(`no token for workload ${workload} in ${zone}: ${answer.statusCode} ${answered}`)
  return answered
}
