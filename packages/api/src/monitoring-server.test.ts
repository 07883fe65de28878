// Discovery over real HTTP, on a clock that moves when told.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMonitoringServer } from './monitoring-server.ts'

interface Scene extends AsyncDisposable {
  readonly clock: FakeClock
  readonly clients: string[]
  /** Replaces what there is and tells of it. */
  change(version: string, assignments?: readonly object[]): void
  post(body: string, query?: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** Resolves once the assignments were looked at so many times: who finds nothing new waits from then on. */
  looked(count: number): Promise<void>
}

async function scene(): Promise<Scene> {
  const clock = new FakeClock()
  const listeners = new Set<() => void>()
  const clients: string[] = []
  let current: { version: string; assignments: readonly object[] } = { version: 'v1', assignments: [] }
  const server = createMonitoringServer({
    settings: { interface: '127.0.0.1', port: 0 },
    assignments: {
      of: (clientId) => {
        clients.push(clientId)
        return current
      },
      onChange: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    defaultFetchTimeoutMs: 30_000,
    clock,
    log: silentLogger,
  })
  await server.start()
  return {
    clock,
    clients,
    change: (version, assignments = []) => {
      current = { version, assignments }
      for (const listener of listeners) listener()
    },
    post: (body, query = '', headers = { 'content-type': 'application/json' }) =>
      fetch(`http://127.0.0.1:${server.port}/v3/discovery:monitoringassignments${query}`, { method: 'POST', body, headers }),
    looked: async (count) => {
      while (clients.length < count) await new Promise((done) => setImmediate(done))
    },
    [Symbol.asyncDispose]: async () => {
      let isStopped = false
      const stopped = server.stop().then(() => {
        isStopped = true
      })
      // connections that clients keep get no longer than their grace
      while (!isStopped) {
        clock.advance(1_000)
        await new Promise((done) => setImmediate(done))
      }
      return stopped
    },
  }
}

const asking = (version = '', id = 'prometheus-0'): string =>
  JSON.stringify({ version_info: version, node: { id }, type_url: 'type.googleapis.com/kuma.observability.v1.MonitoringAssignment' })
const assignment = {
  mesh: 'default',
  service: 'web',
  targets: [{ name: 'web-1', scheme: 'http', address: '10.0.0.1:5670', metrics_path: '/metrics' }],
}

describe('monitoring assignment discovery', () => {
  test('a first question is answered at once, with the field names of the wire', async () => {
    await using it = await scene()
    it.change('v2', [assignment])
    const answer = await it.post(asking(), '?fetch-timeout=2m0s')
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'application/json')
    const type = 'type.googleapis.com/kuma.observability.v1.MonitoringAssignment'
    assert.deepEqual(await answer.json(), { version_info: 'v2', resources: [{ '@type': type, ...assignment }], type_url: type })
    assert.deepEqual(it.clients, ['prometheus-0'])
  })

  test('one who knows the version waits for a change, which is told at once', async () => {
    await using it = await scene()
    const answer = it.post(JSON.stringify({ versionInfo: 'v1', node: { id: 'a' } }))
    await it.looked(1)
    it.change('v1')
    it.clock.advance(100)
    await it.looked(2)
    it.change('v2', [assignment])
    it.change('v3', [assignment])
    it.clock.advance(100)
    const told = (await (await answer).json()) as { readonly version_info: string }
    assert.equal(told.version_info, 'v3')
  })

  test('or is told after the time it gave that nothing changed; a time of 0 waits for nothing', async () => {
    await using it = await scene()
    const standard = it.post(asking('v1'))
    await it.looked(1)
    it.clock.advance(30_000)
    assert.equal((await standard).status, 304)
    const before = it.clients.length
    const long = it.post(asking('v1'), '?fetch-timeout=100h')
    await it.looked(before + 1)
    it.clock.advance(600_000)
    assert.equal((await long).status, 304)
    for (const query of ['?fetch-timeout=0s', '?fetch-timeout=-1s']) assert.equal((await it.post(asking('v1'), query)).status, 304)
    assert.equal((await it.post(asking('old'), '?fetch-timeout=0')).status, 200)
  })

  test('what is no question is refused with a reason', async () => {
    await using it = await scene()
    for (const body of ['', '{', '[]', 'null', '"x"']) {
      const answer = await it.post(body)
      assert.equal(answer.status, 400, body)
      assert.match(await answer.text(), /Could not parse request body/)
    }
    const duration = await it.post(asking(), '?fetch-timeout=soon')
    assert.equal(duration.status, 400)
    assert.match(await duration.text(), /Could not parse fetch-timeout/)
    assert.equal((await it.post(asking(), '', { 'content-type': 'text/plain' })).status, 415)
    assert.equal((await it.post(`{"a":"${'x'.repeat(70_000)}"}`)).status, 413)
    assert.equal((await it.post(JSON.stringify({ node: 7, version_info: {} }))).status, 200)
  })

  test('stopping lets those who wait go', async () => {
    const it = await scene()
    const answer = it.post(asking('v1'))
    await it.looked(1)
    const stopped = it[Symbol.asyncDispose]()
    assert.equal((await answer).status, 304)
    await stopped
  })
})
