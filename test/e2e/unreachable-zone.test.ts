// A zone whose ingress cannot be reached, end to end: real Envoys, mTLS, and a way to the ingress that breaks while requests flow. Traffic of a
// MeshMultiZoneService leaves it for the other endpoint and comes back; with `keep` nothing is moved.
import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { identity, permission, zoneAddress } from '../../apps/demo/src/resources.ts'
import { http, until } from '../../apps/demo/src/rest.ts'
import { type Service, startService } from '../../apps/demo/src/services.ts'
import { type Federation, federation, up } from '../interop/peers.ts'
import { launchProxy } from './launch-proxy.ts'
import { type SteadyTraffic, startTraffic } from './steady-traffic.ts'
import { envoyBinary, freePorts } from './zone.ts'

const zones = ['east', 'west'] as const
/** Longest wait for a verdict: three probes 5 s apart and the looks at two proxies, on a machine that has other things to do. */
const verdictMs = 120_000

/** The way to an ingress: open, closed (connections are refused), or a black hole (connections are taken and nothing comes back). */
interface Way extends AsyncDisposable {
  readonly port: number
  open(): Promise<void>
  refuse(): Promise<void>
  swallow(): void
}

async function wayTo(target: number): Promise<Way> {
  const [port = 0] = await freePorts(1)
  const sockets = new Set<Socket>()
  let swallows = false
  const server = createServer((near) => {
    sockets.add(near)
    near.on('error', () => {})
    near.on('close', () => sockets.delete(near))
    if (swallows) return void near.resume()
    const far = connect({ port: target, host: '127.0.0.1' })
    far.on('error', () => {})
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    near.pipe(far).pipe(near)
  })
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const listen = (): Promise<void> =>
    new Promise((done, fail) => {
      server.once('error', fail)
      server.listen(port, '127.0.0.1', () => done())
    })
  const close = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done())
      breakAll()
    })
  await listen()
  return {
    port,
    open: async () => {
      swallows = false
      breakAll()
      if (!server.listening) await listen()
    },
    refuse: close,
    swallow: () => {
      swallows = true
      breakAll()
    },
    [Symbol.asyncDispose]: close,
  }
}

interface Entry {
  readonly zone: string
  readonly state: string
  readonly movedMeshes: readonly string[]
}

/** How west sees the ingress of east, as global shows it. */
async function seenByWest(fed: Federation): Promise<Entry | undefined> {
  const { rows = [] } = ((await fed.global.get('/_weft/reachability')) ?? {}) as {
    readonly rows?: readonly { readonly zone: string; readonly entries: readonly Entry[] }[]
  }
  return rows.find(({ zone }) => zone === 'west')?.entries.find(({ zone }) => zone === 'east')
}

async function untilSeen(fed: Federation, what: string, is: (entry: Entry) => boolean): Promise<void> {
  let last: Entry | undefined
  const found = async (): Promise<boolean> => {
    last = await seenByWest(fed)
    return last !== undefined && is(last)
  }
  await until(what, found, verdictMs).catch((error: unknown) => {
    throw new Error(`${what}: west saw ${JSON.stringify(last)}`, { cause: error })
  })
}

async function setRule(fed: Federation, action: 'deprioritize' | 'keep'): Promise<void> {
  const labels = { 'weft.io/unreachable-zone': action, 'weft.io/unreachable-zone-after': '1s' }
  await fed.global.put('/meshes/default', { type: 'Mesh', name: 'default', labels })
  const arrived = async (): Promise<boolean> => {
    const mesh = (await fed.zone('west').get('/meshes/default')) as { readonly labels?: Readonly<Record<string, string>> } | undefined
    return mesh?.labels?.['weft.io/unreachable-zone'] === action
  }
  await until(`the rule ${action} in west`, arrived)
}

/** Until all clients get answers from these backends only, for a number of requests in a row. */
async function answeredBy(clients: readonly SteadyTraffic[], backends: readonly string[]): Promise<void> {
  const wanted = new Set(backends.map((zone) => `backend-in-${zone}`))
  const inARow = 30
  const holds = async (): Promise<boolean> => {
    const isWell = clients.every(({ answers, failures }) => {
      const counts = [...answers]
      return failures.size === 0 && counts.every(([who]) => wanted.has(who)) && counts.reduce((sum, [, count]) => sum + count, 0) >= inARow
    })
    const isOff = clients.some(({ answers, failures }) => failures.size > 0 || [...answers.keys()].some((who) => !wanted.has(who)))
    if (isOff) for (const client of clients) client.forget()
    const isComplete = clients.every(({ answers }) => [...wanted].every((who) => answers.has(who)))
    return isWell && isComplete
  }
  await until(`answers of ${backends.join(' and ')} only`, holds, verdictMs)
}

test('traffic leaves a zone that cannot be reached and comes back; with keep it stays', {
  skip: envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH',
  timeout: 600_000,
}, async () => {
  const services: Service[] = []
  await using fed = await federation({ global: 'ours', zones: { east: 'ours', west: 'ours' } })
  await up(fed, zones)
  await setRule(fed, 'deprioritize')
  await fed.global.put('/meshes/default/meshidentities/identity', identity)
  await fed.global.put('/meshes/default/meshtrafficpermissions/callers', permission(zones))
  await fed.global.put('/meshes/default/meshmultizoneservices/web', {
    type: 'MeshMultiZoneService',
    mesh: 'default',
    name: 'web',
    spec: {
      selector: { meshService: { matchLabels: { 'kuma.io/display-name': 'web' } } },
      ports: [{ port: 8080, name: 'main', appProtocol: 'http' }],
    },
  })
  // both endpoints are alike, so that both get requests as long as both can be reached
  await fed.global.put('/meshes/default/meshloadbalancingstrategies/alike', {
    type: 'MeshLoadBalancingStrategy',
    mesh: 'default',
    name: 'alike',
    spec: {
      to: [
        {
          targetRef: { kind: 'MeshMultiZoneService', labels: { 'kuma.io/display-name': 'web' } },
          default: { localityAwareness: { disabled: true } },
        },
      ],
    },
  })
  const launch = async (zone: string, name: string, workload: string, networking: object): Promise<void> => {
    // one host: the statistics of a proxy must be its own
    const [readinessPort = 0, adminPort = 0] = await freePorts(2)
    const { api, proxies: dataplaneServer } = fed.zone(zone)
    await launchProxy({
      processes: fed.processes,
      api,
      dataplaneServer,
      name,
      workload,
      networking: { address: '127.0.0.1', admin: { port: adminPort }, ...networking },
      readinessPort,
      flags: ['--dns-enabled=false'],
    })
  }
  const [ingress = 0] = await freePorts(1)
  await using way = await wayTo(ingress)
  try {
    for (const zone of zones) {
      const [inbound = 0, servicePort = 0] = await freePorts(2)
      services.push(await startService(`backend-in-${zone}`, servicePort))
      await launch(zone, `backend-${zone}`, 'backend', { inbound: [{ port: inbound, servicePort, name: 'main', protocol: 'http' }] })
      const selector = { dataplaneLabels: { matchLabels: { 'kuma.io/workload': 'backend' } } }
      await fed.zone(zone).put('/meshes/default/meshservices/web', {
        type: 'MeshService',
        mesh: 'default',
        name: 'web',
        labels: { 'kuma.io/origin': 'zone' },
        spec: { selector, ports: [{ port: 8080, targetPort: inbound, name: 'main', appProtocol: 'http' }] },
      })
    }
    await launch('east', 'ingress-east', 'ingress', {
      listeners: [{ type: 'ZoneIngress', address: '127.0.0.1', port: ingress, name: 'zi' }],
    })
    await fed.zone('east').put('/meshes/default/meshzoneaddresses/east-ingress', zoneAddress('east', way.port))
    const urls: string[] = []
    for (const client of ['client-1', 'client-2']) {
      const [port = 0, inbound = 0] = await freePorts(2)
      await launch('west', client, client, {
        // a policy for the whole mesh selects a dataplane by its inbounds
        inbound: [{ port: inbound, servicePort: inbound, name: 'main', protocol: 'http' }],
        outbound: [
          {
            address: '127.0.0.1',
            port,
            backendRef: { kind: 'MeshMultiZoneService', labels: { 'kuma.io/display-name': 'web' }, port: 8080 },
          },
        ],
      })
      urls.push(`http://127.0.0.1:${port}/`)
    }
    for (const url of urls) await until('a first answer', async () => (await http('GET', url)).status === 200)
    // the second vantage point needs proxies that try: one that asks nothing has seen nothing
    await using first = startTraffic(urls[0] ?? '', 10)
    await using second = startTraffic(urls[1] ?? '', 10)
    const clients = [first, second]
    await answeredBy(clients, ['east', 'west'])
    await untilSeen(fed, 'the ingress of east is reachable', ({ state }) => state === 'reachable')

    await way.refuse()
    await untilSeen(fed, 'traffic is moved', ({ state, movedMeshes }) => state === 'unreachable' && movedMeshes.join() === 'default')
    await answeredBy(clients, ['west'])
    await way.open()
    await untilSeen(fed, 'it is back', ({ state, movedMeshes }) => state === 'reachable' && movedMeshes.length === 0)
    await answeredBy(clients, ['east', 'west'])

    // a black hole: connections are taken, and nothing answers
    await setRule(fed, 'keep')
    way.swallow()
    await untilSeen(fed, 'keep: the verdict', ({ state }) => state === 'unreachable')
    assert.deepEqual((await seenByWest(fed))?.movedMeshes, [])
    const dump = await http('GET', `${fed.zone('west').api}/meshes/default/dataplanes/client-1/clusters`)
    const [host = ''] = new RegExp(`^.*::127\\.0\\.0\\.1:${way.port}::priority::.*$`, 'm').exec(dump.text) ?? []
    assert.match(host, /::priority::0$/, 'the endpoint is where it was')
    await way.open()
    await untilSeen(fed, 'keep: it is back', ({ state }) => state === 'reachable')
    await answeredBy(clients, ['east', 'west'])
  } finally {
    await Promise.all(services.map((service) => service.close()))
  }
})
