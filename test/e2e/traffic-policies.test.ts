// What the traffic policies do to requests, through real Envoys: one zone, one service of two instances, one caller.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { until } from '../../apps/demo/src/rest.ts'
import { type Answer, answers, ask, instances } from './asking.ts'
import { withPolicy } from './with-policy.ts'
import { envoyBinary, startZone } from './zone.ts'

const missing = envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH'

/** Much longer than an answer takes on a busy machine, and a little less: Envoy's clock and ours need not agree to the millisecond. */
const delayMs = 1500
const minDelayMs = 1450

const toFront = { targetRef: { kind: 'MeshService', labels: { 'kuma.io/display-name': 'front' } } }

test('traffic policies act on requests', { skip: missing, timeout: 600_000 }, async (t: TestContext) => {
  await using zone = await startZone()
  await zone.workload('web-1', 'web', { labels: { rack: 'near' } })
  await zone.workload('web-2', 'web')
  await zone.put('/meshes/default/meshservices/front', {
    type: 'MeshService',
    mesh: 'default',
    name: 'front',
    labels: { 'kuma.io/origin': 'zone' },
    spec: {
      selector: { dataplaneLabels: { matchLabels: { 'kuma.io/workload': 'web' } } },
      ports: [{ port: 8080, targetPort: 'main', name: 'main', appProtocol: 'http' }],
    },
  })
  const port = await zone.freePort()
  await zone.workload('caller-1', 'caller', {
    labels: { rack: 'near' },
    outbound: [{ address: '127.0.0.1', port, backendRef: { kind: 'MeshService', labels: toFront.targetRef.labels, port: 8080 } }],
  })
  const plain = async (): Promise<boolean> => {
    const list = await answers(6, () => ask(port))
    return list.every((answer) => answer.status === 200 && answer.ms < minDelayMs) && instances(list).length === 2
  }
  await until('both instances answer', plain)

  await t.test('MeshRateLimit: beyond the limit requests are answered 429', async () => {
    const http = {
      requestRate: { num: 2, interval: '1h' },
      onRateLimit: { status: 429, headers: { set: [{ name: 'x-limited', value: 'yes' }] } },
    }
    const spec = { targetRef: { kind: 'Dataplane', labels: { 'kuma.io/workload': 'web' } }, rules: [{ default: { local: { http } } }] }
    await withPolicy(zone, { type: 'MeshRateLimit', spec }, async () => {
      // both instances have two tokens, which the wait takes; the first answer of the one says nothing of the other
      await until('both instances are at their limit', async () =>
        (await answers(8, () => ask(port))).every((answer) => answer.status === 429 && answer.headers['x-limited'] === 'yes'),
      )
    })
    await until('no limit any more', plain)
  })

  await t.test('MeshRateLimit `to`: the caller itself stops at its limit', async () => {
    const spec = { to: [{ targetRef: { kind: 'Mesh' }, default: { local: { http: { requestRate: { num: 1, interval: '1h' } } } } }] }
    await withPolicy(zone, { type: 'MeshRateLimit', spec }, async () => {
      await until('a limit at the caller', async () => (await ask(port)).status === 429)
    })
    await until('no limit any more', plain)
  })

  await t.test('MeshFaultInjection: requests are aborted and delayed', async () => {
    const abort = { httpStatus: 418, percentage: 100 }
    const spec = { targetRef: { kind: 'Dataplane', labels: { 'kuma.io/workload': 'web' } }, rules: [{ default: { http: [{ abort }] } }] }
    await withPolicy(zone, { type: 'MeshFaultInjection', spec }, async () => {
      await until('both instances abort', async () => (await answers(6, () => ask(port))).every((answer) => answer.status === 418))
    })
    const delay = { value: `${delayMs}ms`, percentage: 100 }
    await withPolicy(
      zone,
      { type: 'MeshFaultInjection', spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { http: [{ delay }] } }] } },
      async () => {
        // a single slow answer may be a busy machine's
        await until('every request is delayed', async () =>
          (await answers(3, () => ask(port))).every((answer) => answer.status === 200 && answer.ms >= minDelayMs),
        )
      },
    )
    await until('no fault any more', plain)
  })

  await t.test('MeshLoadBalancingStrategy: a cookie sticks to one instance, other cookies reach the other', async () => {
    const hashPolicies = [{ type: 'Cookie', cookie: { name: 'session', ttl: '1h' } }]
    const spec = { to: [{ ...toFront, default: { loadBalancer: { type: 'Maglev' }, hashPolicies } }] }
    await withPolicy(zone, { type: 'MeshLoadBalancingStrategy', spec }, async () => {
      const cookie = (value: string) => () => ask(port, { cookie: `session=${value}` })
      const areWell = (list: readonly Answer[]): boolean => list.every((answer) => answer.status === 200)
      const sticks = async (value: string): Promise<boolean> => {
        const list = await answers(6, cookie(value))
        return areWell(list) && instances(list).length === 1
      }
      const spreads = async (): Promise<boolean> => {
        const list = await answers(24, (index) => cookie(`user-${index}`)())
        return areWell(list) && instances(list).length === 2
      }
      // the route that sets the cookie and the cluster that hashes it do not take effect in one moment
      await until('a cookie is set, and each sticks', async () => {
        if ((await ask(port)).headers['set-cookie']?.[0]?.startsWith('session=') !== true) return false
        return (await sticks('a')) && (await sticks('b')) && (await sticks('c')) && (await spreads())
      })
    })
    await until('spread again', plain)
  })

  await t.test('MeshLoadBalancingStrategy and MeshHealthCheck: near endpoints first, and others when those are unhealthy', async () => {
    const localityAwareness = { localZone: { affinityTags: [{ key: 'rack', weight: 1_000_000 }] } }
    const near = { type: 'MeshLoadBalancingStrategy' as const, spec: { to: [{ ...toFront, default: { localityAwareness } }] } }
    const check = { interval: '200ms', timeout: '1s', unhealthyThreshold: 1, healthyThreshold: 1, http: { path: '/' } }
    await withPolicy(zone, near, async () => {
      const by = async (): Promise<readonly string[]> => instances(await answers(12, () => ask(port)))
      await until('the near instance answers alone', async () => (await by()).join() === 'web-1')
      await withPolicy(zone, { type: 'MeshHealthCheck', spec: { to: [{ ...toFront, default: check }] } }, async () => {
        await until('still the near one while it is healthy', async () => (await by()).join() === 'web-1')
        await zone.stopService('web-1')
        await until('the other one takes over', async () => {
          const list = await answers(12, () => ask(port))
          return list.every((answer) => answer.status === 200 && answer.by === 'web-2')
        })
        await zone.startService('web-1')
        await until('and gives back', async () => (await by()).join() === 'web-1')
      })
    })
    await until('spread again', plain)
  })

  await t.test('MeshProxyPatch: a raw edit is visible on answers', async () => {
    const value = 'responseHeadersToAdd:\n- header:\n    key: x-patched\n    value: "yes"\n'
    const appendModifications = [{ virtualHost: { operation: 'Patch', match: { origin: 'outbound' }, value } }]
    await withPolicy(zone, { type: 'MeshProxyPatch', spec: { default: { appendModifications } } }, async () => {
      await until('the header', async () => (await ask(port)).headers['x-patched'] === 'yes')
    })
    await until('no header any more', async () => {
      const { status, headers } = await ask(port)
      return status === 200 && headers['x-patched'] === undefined
    })
  })

  await t.test('MeshPassthrough: what a match names passes, the rest does not', async () => {
    const [inside, outside] = [await zone.freePort(), await zone.freePort()]
    const { service } = await zone.workload('leaving-1', 'leaving', {
      networking: { transparentProxying: { redirectPortInbound: inside, redirectPortOutbound: outside } },
    })
    // Nothing redirects here, so the destination of a connection is the listener itself; a patch sends what passes to a service instead.
    const name = `meshpassthrough_http_allowed.test_${outside}`
    const address = { socketAddress: { address: '127.0.0.1', portValue: service } }
    const loadAssignment = { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] }
    const jsonPatches = [
      { op: 'replace', path: '/type', value: 'STATIC' },
      { op: 'remove', path: '/lbPolicy' },
      { op: 'add', path: '/loadAssignment', value: loadAssignment },
    ]
    const targetRef = { kind: 'Dataplane', labels: { 'kuma.io/workload': 'leaving' } }
    const appendModifications = [{ cluster: { operation: 'Patch', match: { name }, jsonPatches } }]
    await withPolicy(zone, { type: 'MeshProxyPatch', spec: { targetRef, default: { appendModifications } } }, async () => {
      const appendMatch = [{ type: 'Domain', value: 'allowed.test', protocol: 'http', port: outside }]
      await withPolicy(
        zone,
        { type: 'MeshPassthrough', spec: { targetRef, default: { passthroughMode: 'Matched', appendMatch } } },
        async (change) => {
          await until('the allowed host', async () => (await ask(outside, { host: 'allowed.test' })).by === 'leaving-1')
          const other = await ask(outside, { host: 'other.test' })
          assert.equal(other.status, 503)
          assert.match(other.by, /No routes matched this domain/)
          await change({ targetRef, default: { passthroughMode: 'None' } })
          await until('nothing passes', async () => (await ask(outside, { host: 'allowed.test' })).status === 0)
        },
      )
    })
  })
})
