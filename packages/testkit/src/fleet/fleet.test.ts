import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { createFleet, type FleetParts } from './fleet.ts'
import { spawnFleet } from './fleet-process.ts'
import {
  assignment,
  cluster,
  listener,
  type ScriptedServer,
  type ScriptedStream,
  startScriptedServer,
  typeOf,
} from './testing/scripted-server.ts'

const limit = { timeout: 240_000 }
const plan = { mesh: 'default', zones: ['zone-1'], services: 2, reachable: 1, probes: 1 }
const backends = ['kri_msvc_default_zone-1__svc-0_main', 'kri_msvc_default_zone-1__svc-1_main']

/** A control plane that gives every proxy the same two services, at once. */
async function generousServer(): Promise<ScriptedServer & { readonly streams: readonly ScriptedStream[] }> {
  const streams: ScriptedStream[] = []
  const server = await startScriptedServer({
    onStream: (stream) => {
      streams.push(stream)
      void serve(stream)
    },
  })
  return { ...server, streams }
}

async function serve(stream: ScriptedStream): Promise<void> {
  for (;;) {
    const request = await stream.next()
    if (request.responseNonce) continue
    const type = typeOf(request)
    if (type === 'cluster')
      stream.send(
        type,
        backends.map((name) => cluster(name)),
      )
    if (type === 'endpoint')
      stream.send(
        type,
        (request.resourceNamesSubscribe ?? []).map((name) => assignment(name, [1])),
      )
    if (type === 'listener')
      stream.send(
        type,
        backends.map((name) => listener(name)),
      )
  }
}

function fleetOf(server: ScriptedServer, sidecars: number, parts: FleetParts = {}) {
  const options = { plan, zone: 'zone-1', address: server.address, api: 'http://127.0.0.1:1', sidecars }
  return createFleet(options, { fetchToken: async (workload) => `token of ${workload}`, ...parts })
}

test('a fleet starts, completes, sees a marked change and reports it', limit, async () => {
  await using server = await generousServer()
  const asked: string[] = []
  const fleet = fleetOf(server, 3, {
    fetchToken: async (workload) => {
      asked.push(workload)
      return `token of ${workload}`
    },
  })
  try {
    await fleet.start()
    assert.equal(await fleet.waitFor('complete', 100_000), true)
    assert.deepEqual(asked, ['ingress', 'svc-0', 'svc-1'])
    const report = fleet.report()
    assert.deepEqual([report.proxies, report.connected, report.complete.count, report.counts.nacks], [4, 4, 4, 0])
    assert.ok(report.counts.bytes > 0)
    assert.deepEqual(server.streams.map(({ authorization }) => authorization).toSorted(), [
      'token of ingress',
      'token of svc-0',
      'token of svc-0',
      'token of svc-1',
    ])

    fleet.mark({ connectTimeoutMs: 3001 })
    assert.equal(fleet.report().counts.responses, 0)
    assert.equal(await fleet.waitFor('reached', 1), false)
    for (const stream of server.streams) stream.send('cluster', [cluster(backends[0] ?? '', { connectTimeoutMs: 3001, version: '2' })])
    assert.equal(await fleet.waitFor('reached', 100_000), true)
    assert.equal(fleet.report().reached.count, 3)
  } finally {
    fleet.stop()
  }
})

test('a probe joins unmeasured and leaves for good', limit, async () => {
  await using server = await generousServer()
  const fleet = fleetOf(server, 1)
  try {
    await fleet.start()
    await fleet.addProbe('probe-0')
    await fleet.addProbe('probe-0')
    assert.equal(await fleet.waitFor('ready', 100_000), true)
    assert.equal(fleet.report().proxies, 3)
    assert.deepEqual([...(fleet.held('probe-0-0')?.cluster.keys() ?? [])], backends)
    const isProbe = ({ authorization }: ScriptedStream): boolean => authorization === 'token of probe-0'
    assert.equal(fleet.remove('probe-0-0'), true)
    assert.equal(fleet.remove('probe-0-0'), false)
    // streams come in any order
    await Promise.race(server.streams.filter(isProbe).map(({ ended }) => ended))
    assert.equal(fleet.report().proxies, 2)
    fleet.mark({ cluster: 'svc' })
    for (const stream of server.streams.filter((each) => !isProbe(each)))
      stream.send('cluster', [cluster(backends[1] ?? '', { version: '3' })])
    assert.equal(await fleet.waitFor('reached', 100_000), true)
  } finally {
    fleet.stop()
  }
})

test('quiet counts from the last response, or from the mark, and gives up in time', limit, async () => {
  await using server = await generousServer()
  const clock = new FakeClock()
  const fleet = fleetOf(server, 1, { clock })
  try {
    await fleet.start()
    while (fleet.report().complete.count < 2) await new Promise((next) => setImmediate(next))
    const done: string[] = []
    void fleet.quiet(1000, 60_000).then((quiet) => done.push(`patient ${quiet}`))
    void fleet.quiet(1000, 1200).then((quiet) => done.push(`impatient ${quiet}`))
    clock.advance(900)
    fleet.mark()
    clock.advance(900)
    await new Promise((next) => setImmediate(next))
    assert.deepEqual(done, ['impatient false'])
    clock.advance(100)
    await new Promise((next) => setImmediate(next))
    assert.deepEqual(done, ['impatient false', 'patient true'])
  } finally {
    fleet.stop()
  }
})

test('a token that is not to be had ends the start with its reason', limit, async () => {
  await using server = await generousServer()
  const fleet = fleetOf(server, 1, { fetchToken: () => Promise.reject(new Error('no signing key')) })
  await assert.rejects(fleet.start(), /no signing key/)
  fleet.stop()
})

test('stopping ends every wait', limit, async () => {
  await using server = await startScriptedServer()
  const fleet = fleetOf(server, 2)
  await fleet.start()
  const waiting = fleet.waitFor('complete', 1_000_000)
  fleet.stop()
  assert.equal(await waiting, false)
})

test('a fleet in a process of its own does the same over its channel', { timeout: 120_000 }, async () => {
  await using server = await generousServer()
  const api = createServer((request, response) => {
    response.statusCode = request.url === '/tokens/dataplane' ? 200 : 404
    response.end('token from the API\n')
  })
  await new Promise<void>((done) => void api.listen(0, '127.0.0.1', done))
  const bound = api.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const fleet = spawnFleet({ plan, zone: 'zone-1', address: server.address, api: `http://127.0.0.1:${port}`, sidecars: 2 })
  try {
    await fleet.start()
    assert.equal(await fleet.waitFor('complete', 100_000), true)
    await fleet.mark({ cluster: '_svc-1_' })
    for (const stream of server.streams) stream.send('cluster', [cluster(backends[1] ?? '', { version: '2' })])
    assert.equal(await fleet.waitFor('reached', 100_000), true)
    assert.equal(await fleet.quiet(1, 100_000), true)
    const report = await fleet.report()
    assert.deepEqual([report.proxies, report.reached.count], [3, 2])
    assert.equal(server.streams[0]?.authorization, 'token from the API')
    assert.equal(await fleet.remove('nobody'), false)
    await fleet.mark({ connectTimeoutMs: 1 })
    const lost = fleet.waitFor('reached', 1_000_000)
    await Promise.all([assert.rejects(lost, /ended/), fleet.stop()])
    await assert.rejects(fleet.report(), /ended/)
  } finally {
    await fleet.stop()
    await new Promise((done) => api.close(done))
  }
})
