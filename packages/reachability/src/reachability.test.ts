// The monitor over a fake clock, scripted probes and scripted proxies, with a real graph of facts behind it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProxyFacts } from '@weft/facts'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock } from '@weft/foundation/time'
import { createGraph } from '@weft/graph'
import type { RemoteIngress, UnreachableRule, ZoneReachability } from '@weft/mesh'
import type { ProbeResult } from './probe.ts'
import { createReachability, type Reachability } from './reachability.ts'

const west: RemoteIngress = { mesh: 'default', zone: 'west', address: '192.0.2.1', port: 10001 }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Scene extends AsyncDisposable {
  readonly reachability: Reachability
  /** Counters of a proxy, as its Envoy would show them; undefined does not answer. */
  readonly proxies: Map<string, { failures: number; successes: number } | undefined>
  readonly asked: string[]
  probe: ProbeResult
  elsewhere: number
  list(ingress: RemoteIngress | undefined): void
  rule(rule: UnreachableRule): void
  /** Seconds, one by one, with everything that hangs on them. */
  pass(seconds: number, each?: () => void): Promise<void>
  fact(): ZoneReachability | undefined
  state(): string | undefined
  readonly metrics: ReturnType<typeof createMetrics>
}

const good: ProbeResult = { ok: true, roundTripMs: 3, answered: true }
const bad: ProbeResult = { ok: false, problem: 'connect ECONNREFUSED' }

async function scene(proxyNames: readonly string[]): Promise<Scene> {
  const clock = new FakeClock()
  const graph = createGraph({ clock, log: silentLogger })
  const remoteIngresses = graph.source<RemoteIngress>('remoteIngresses')
  const unreachableRules = graph.source<UnreachableRule>('unreachableRules')
  const zoneReachability = graph.source<ZoneReachability>('zoneReachability')
  const endpoint = { ...west, priority: 1, weight: 1, health: 'HEALTHY', metadata: {} } as const
  const loadAssignments = graph.source<{ id: string; endpoints: readonly (typeof endpoint)[] }>('loadAssignments')
  const proxyFacts = graph.source<ProxyFacts>('proxyFacts')
  graph.start()
  graph.transact('set up', () => {
    loadAssignments.set('kri', { id: 'kri', endpoints: [endpoint] })
    for (const name of proxyNames) {
      // only outbounds are read
      const facts = { outbounds: [{ name: 'kri', destination: { id: 'kri', protocol: 'http' } }] } as unknown as ProxyFacts
      proxyFacts.set(`default/${name}`, facts)
    }
    proxyFacts.set('default/elsewhere', { outbounds: [] } as unknown as ProxyFacts)
    remoteIngresses.set('west', west)
  })
  const proxies: Scene['proxies'] = new Map(proxyNames.map((name) => [`default/${name}`, { failures: 0, successes: 0 }]))
  const asked: string[] = []
  const metrics = createMetrics()
  const reachability = createReachability({
    graph,
    mesh: { remoteIngresses, unreachableRules, zoneReachability, loadAssignments, proxyFacts },
    clock,
    log: silentLogger,
    metrics,
    probe: async () => self.probe,
    clusters: async (proxyKey) => {
      asked.push(proxyKey)
      const found = proxies.get(proxyKey)
      if (!found) throw new Error('no answer')
      const stats = [
        { name: 'cx_connect_fail', value: String(found.failures) },
        { name: 'rq_success', value: String(found.successes) },
      ]
      const address = { socket_address: { address: west.address, port_value: west.port } }
      return JSON.stringify({ cluster_statuses: [{ name: 'kri', host_statuses: [{ address, stats }] }] })
    },
    isConnected: (proxyKey) => proxies.has(proxyKey),
    failingElsewhere: () => self.elsewhere,
  })
  const self: Scene = {
    reachability,
    proxies,
    asked,
    metrics,
    probe: good,
    elsewhere: 0,
    list: (ingress) =>
      graph.transact('list', () => {
        if (ingress) remoteIngresses.set('west', ingress)
        else remoteIngresses.delete('west')
      }),
    rule: (rule) => graph.transact('rule', () => unreachableRules.set('default', rule)),
    pass: async (seconds, each) => {
      for (let second = 0; second < seconds; second++) {
        each?.()
        clock.advance(1_000)
        await turn()
        await turn()
      }
    },
    fact: () => zoneReachability.get('default/west'),
    state: () => reachability.row()[0]?.state,
    [Symbol.asyncDispose]: async () => reachability.stop(),
  }
  await reachability.start()
  await turn()
  return self
}

test('a zone that nobody reaches is moved away from after 30 s, and back with the first answer', async () => {
  await using at = await scene(['a', 'b', 'c'])
  assert.deepEqual([at.state(), at.fact(), at.asked], ['reachable', undefined, []])
  at.probe = bad
  const everyoneFails = (): void => {
    for (const counters of at.proxies.values()) if (counters) counters.failures += 1
  }
  await at.pass(5, everyoneFails)
  assert.equal(at.state(), 'failing')
  await at.pass(14, everyoneFails)
  assert.deepEqual([at.state(), at.fact()], ['unreachable', undefined])
  assert.match((await at.metrics.expose()).text, /zone_ingresses\{state="unreachable"\} 1/)
  // 30 s after the first probe that failed
  await at.pass(15, everyoneFails)
  assert.equal(at.fact(), undefined)
  await at.pass(1, everyoneFails)
  assert.deepEqual(at.fact(), { action: 'deprioritize', unreachable: ['192.0.2.1 10001'] })
  assert.deepEqual(at.reachability.row()[0], {
    zone: 'west',
    address: '192.0.2.1:10001',
    state: 'unreachable',
    since: at.reachability.row()[0]?.since,
    roundTripMs: 3,
    problem: 'connect ECONNREFUSED',
    movedMeshes: ['default'],
  })
  // traffic is elsewhere now, so nobody fails any more: that is no reason to come back
  await at.pass(60)
  assert.equal(at.fact()?.unreachable.length, 1)
  at.rule({ action: 'withdraw', afterMs: 1_000 })
  await at.pass(1)
  assert.equal(at.fact()?.action, 'withdraw')
  at.rule({ action: 'keep', afterMs: 1_000 })
  await at.pass(1)
  assert.equal(at.fact(), undefined)
  at.rule({ action: 'deprioritize', afterMs: 1_000 })
  await at.pass(1)
  assert.equal(at.fact()?.action, 'deprioritize')
  at.probe = good
  await at.pass(5)
  assert.deepEqual([at.state(), at.fact(), at.reachability.row()[0]?.movedMeshes], ['reachable', undefined, []])
})

test('probes that fail alone move nothing: not without proxies, not without answers, not when one proxy still gets through', async () => {
  for (const script of ['nobody', 'silent', 'quiet', 'works'] as const) {
    await using at = await scene(script === 'nobody' ? [] : ['a', 'b', 'c'])
    at.probe = bad
    if (script === 'silent') for (const key of at.proxies.keys()) at.proxies.set(key, undefined)
    await at.pass(120, () => {
      if (script !== 'works') return
      const [first, second, third] = [...at.proxies.values()]
      if (first && second && third) {
        first.failures += 1
        second.failures += 1
        third.successes += 1
      }
    })
    assert.deepEqual([at.state(), at.fact()], ['failing', undefined], script)
  }
})

test('the failing probe of another replica is a second vantage point', async () => {
  await using at = await scene([])
  at.probe = bad
  at.elsewhere = 1
  await at.pass(40)
  assert.equal(at.fact()?.action, 'deprioritize')
})

test('proxies are read only while a probe fails, five at a time', async () => {
  await using at = await scene(Array.from({ length: 8 }, (_, index) => `p${index}`))
  await at.pass(30)
  assert.deepEqual([...at.asked], [])
  at.probe = bad
  await at.pass(10)
  assert.equal(at.asked.length % 5, 0)
  assert.ok(at.asked.includes('default/p0'))
  assert.equal(at.asked.includes('default/elsewhere'), false)
  at.probe = good
  await at.pass(6)
  const before = at.asked.length
  await at.pass(30)
  assert.equal(at.asked.length, before)
})

test('an ingress that is no longer listed leaves nothing behind, and one that changes its address starts anew', async () => {
  await using at = await scene(['a'])
  at.rule({ action: 'deprioritize', afterMs: 0 })
  at.probe = bad
  await at.pass(30, () => {
    for (const counters of at.proxies.values()) if (counters) counters.failures += 1
  })
  assert.ok(at.fact())
  at.list({ ...west, address: '192.0.2.7' })
  await at.pass(1)
  assert.deepEqual(
    [at.fact(), at.reachability.row().map(({ address, state }) => `${address} ${state}`)],
    [undefined, ['192.0.2.7:10001 failing']],
  )
  at.list(undefined)
  await at.pass(1)
  assert.deepEqual(at.reachability.row(), [])
})
