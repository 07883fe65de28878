// What routes, retries, timeouts and breakers do to requests, through real Envoys: one zone, one service of two instances, one that only listens in.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { http, until } from '../../apps/demo/src/rest.ts'
import { answers, ask, instances } from './asking.ts'
import { withPolicy } from './with-policy.ts'
import { envoyBinary, startZone, type TestZone } from './zone.ts'

const missing = envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH'

const named = (name: string) => ({ kind: 'MeshService', labels: { 'kuma.io/display-name': name } })
const toFront = { targetRef: named('front') }

/** A service over the proxies with these labels. */
function service(zone: TestZone, name: string, matchLabels: Readonly<Record<string, string>>): Promise<void> {
  return zone.put(`/meshes/default/meshservices/${name}`, {
    type: 'MeshService',
    mesh: 'default',
    name,
    labels: { 'kuma.io/origin': 'zone' },
    spec: {
      selector: { dataplaneLabels: { matchLabels } },
      ports: [{ port: 8080, targetPort: 'main', name: 'main', appProtocol: 'http' }],
    },
  })
}

/** Requests that a proxy passed to its own service so far, as Envoy counts them. */
async function requestsAt(zone: TestZone, proxy: string): Promise<number> {
  const { status, text } = await http('GET', `${zone.api}/meshes/default/dataplanes/${proxy}/stats`)
  const [, count] = (status === 200 && /^cluster\.self_inbound_dp_main\.upstream_rq_total: (\d+)$/m.exec(text)) || []
  return count === undefined ? 0 : Number(count)
}

test('routes, retries, timeouts and breakers act on requests', { skip: missing, timeout: 600_000 }, async (t: TestContext) => {
  await using zone = await startZone()
  await zone.workload('web-1', 'web', { labels: { instance: 'first' } })
  await zone.workload('web-2', 'web', { labels: { instance: 'second' } })
  await zone.workload('shadow-1', 'shadow')
  await service(zone, 'front', { 'kuma.io/workload': 'web' })
  await service(zone, 'second', { instance: 'second' })
  await service(zone, 'listener', { 'kuma.io/workload': 'shadow' })
  const port = await zone.freePort()
  await zone.workload('caller-1', 'caller', {
    outbound: [{ address: '127.0.0.1', port, backendRef: { ...named('front'), port: 8080 } }],
  })
  const plain = async (): Promise<boolean> => {
    const list = await answers(6, () => ask(port))
    return list.every((answer) => answer.status === 200) && instances(list).length === 2
  }
  await until('both instances answer', plain)
  /** A fault of one workload's proxies, or of one proxy. */
  const fault = (labels: Readonly<Record<string, string>>, conf: object) => ({
    type: 'MeshFaultInjection' as const,
    spec: { targetRef: { kind: 'Dataplane', labels }, rules: [{ default: { http: [conf] } }] },
  })

  await t.test('MeshRetry: an instance that fails is retried at the other one', async () => {
    await withPolicy(zone, fault({ instance: 'first' }, { abort: { httpStatus: 500, percentage: 100 } }), async () => {
      await until('one of two answers 500', async () => {
        const list = await answers(12, () => ask(port))
        return list.some((answer) => answer.status === 500) && list.some((answer) => answer.status === 200)
      })
      const retries = { numRetries: 4, retryOn: ['5xx'], hostSelection: [{ predicate: 'OmitPreviousHosts' }], hostSelectionMaxAttempts: 5 }
      await withPolicy(zone, { type: 'MeshRetry', spec: { to: [{ ...toFront, default: { http: retries } }] } }, async () => {
        await until('no request fails', async () => (await answers(12, () => ask(port))).every((answer) => answer.status === 200))
        assert.deepEqual(instances(await answers(12, () => ask(port))), ['web-2'])
      })
    })
    await until('no fault any more', plain)
  })

  await t.test('MeshTimeout: a request that takes too long is answered 504', async () => {
    await withPolicy(zone, fault({ 'kuma.io/workload': 'web' }, { delay: { value: '3s', percentage: 100 } }), async () => {
      await withPolicy(zone, { type: 'MeshTimeout', spec: { to: [{ ...toFront, default: { http: { requestTimeout: '200ms' } } }] } }, () =>
        until('504 from both', async () => (await answers(4, () => ask(port))).every((answer) => answer.status === 504)).then(() => {}),
      )
    })
    await until('no fault any more', plain)
  })

  await t.test('MeshCircuitBreaker: more requests at once than allowed are turned away', async () => {
    await withPolicy(zone, fault({ 'kuma.io/workload': 'web' }, { delay: { value: '500ms', percentage: 100 } }), async () => {
      const connectionLimits = { maxRequests: 1, maxPendingRequests: 1, maxConnections: 1 }
      await withPolicy(zone, { type: 'MeshCircuitBreaker', spec: { to: [{ ...toFront, default: { connectionLimits } }] } }, async () => {
        await until('some served, some turned away', async () => {
          const list = await Promise.all(Array.from({ length: 12 }, () => ask(port)))
          const away = list.filter((answer) => answer.status === 503 && answer.headers['x-envoy-overloaded'] === 'true')
          return away.length > 0 && list.some((answer) => answer.status === 200)
        })
      })
    })
    await until('no fault any more', plain)
  })

  await t.test('MeshHTTPRoute: a mirror arrives, and answers come from elsewhere', async () => {
    const filters = [{ type: 'RequestMirror', requestMirror: { backendRef: { ...named('listener'), port: 8080 } } }]
    const rules = [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }], default: { filters } }]
    await withPolicy(zone, { type: 'MeshHTTPRoute', spec: { to: [{ ...toFront, rules }] } }, async () => {
      const before = await requestsAt(zone, 'shadow-1')
      await until('requests arrive there too', async () => {
        const list = await answers(6, () => ask(port))
        assert.equal(instances(list).includes('shadow-1'), false)
        if (!list.every((answer) => answer.status === 200)) return false
        return (await requestsAt(zone, 'shadow-1')) >= before + 6
      })
    })
    await until('no mirror any more', plain)
  })

  await t.test('MeshHTTPRoute: a header chooses the backend; others stay', async () => {
    const matches = [{ headers: [{ name: 'x-canary', value: 'yes' }] }]
    const rules = [{ matches, default: { backendRefs: [{ ...named('second'), port: 8080 }] } }]
    await withPolicy(zone, { type: 'MeshHTTPRoute', spec: { to: [{ ...toFront, rules }] } }, async () => {
      const canary = () => ask(port, { 'x-canary': 'yes' })
      await until('the header leads to one instance', async () => {
        const list = await answers(12, canary)
        return list.every((answer) => answer.status === 200) && instances(list).join() === 'web-2'
      })
      await until('others stay', plain)
    })
  })

  await t.test('MeshTCPRoute: connections go to the backend of the route', async () => {
    const rules = [{ default: { backendRefs: [{ ...named('second'), port: 8080 }] } }]
    await withPolicy(zone, { type: 'MeshTCPRoute', spec: { to: [{ ...toFront, rules }] } }, async () => {
      await until('connections lead to one instance', async () => {
        const list = await answers(12, () => ask(port))
        return list.every((answer) => answer.status === 200) && instances(list).join() === 'web-2'
      })
    })
    await until('spread again', plain)
  })
})
