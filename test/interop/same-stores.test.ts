// The same inputs through stock and through our control planes leave the same behind: names, labels and specs of every synced kind, as global shows
// them of both zones, byte for byte.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { until } from '../../apps/demo/src/rest.ts'
import { type Federation, federation, type FederationPlan, type Shown, up } from './peers.ts'
import { withoutStock } from './reference.ts'

const zone = { 'kuma.io/origin': 'zone' }
const to = [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '20s' } }]
const at = (type: string, path: string, name: string, rest: object): readonly [string, object] => [
  `/meshes/default/${path}/${name}`,
  { type, mesh: 'default', name, ...rest },
]

/** Written at global. */
const ofGlobal: readonly (readonly [string, object])[] = [
  at('MeshTimeout', 'meshtimeouts', 'of-global', { labels: { team: 'a' }, spec: { targetRef: { kind: 'Mesh' }, to } }),
  at('MeshTimeout', 'meshtimeouts', 'same-name', { spec: { targetRef: { kind: 'Dataplane', labels: { app: 'x' } }, to } }),
  at('MeshRetry', 'meshretries', 'retry', { spec: { to: [{ targetRef: { kind: 'Mesh' }, default: { tcp: { maxConnectAttempt: 3 } } }] } }),
  at('MeshMultiZoneService', 'meshmultizoneservices', 'backend', {
    spec: {
      selector: { meshService: { matchLabels: { 'kuma.io/display-name': 'backend' } } },
      ports: [{ port: 80, name: 'main', appProtocol: 'http' }],
    },
  }),
  at('MeshExternalService', 'meshexternalservices', 'outside', {
    spec: { match: { type: 'HostnameGenerator', port: 443, protocol: 'tcp' }, endpoints: [{ address: 'example.com', port: 443 }] },
  }),
  [
    '/hostnamegenerators/mine',
    {
      type: 'HostnameGenerator',
      name: 'mine',
      spec: { selector: { meshService: { matchLabels: { a: 'b' } } }, template: '{{ .DisplayName }}.mine' },
    },
  ],
]

/** Written in each zone. */
const ofZone: readonly (readonly [string, object])[] = [
  at('MeshTimeout', 'meshtimeouts', 'same-name', { labels: { ...zone, team: 'b' }, spec: { targetRef: { kind: 'Mesh' }, to } }),
  at('MeshZoneAddress', 'meshzoneaddresses', 'address', { labels: zone, spec: { address: '10.0.0.1', port: 10001 } }),
  at('MeshService', 'meshservices', 'by-hand', {
    labels: { ...zone, tier: 'back' },
    spec: {
      selector: { dataplaneLabels: { matchLabels: { app: 'hand' } } },
      ports: [{ port: 80, targetPort: 8080, name: 'main', appProtocol: 'http' }],
    },
  }),
  at('MeshExternalService', 'meshexternalservices', 'local', {
    labels: zone,
    spec: { match: { type: 'HostnameGenerator', port: 80, protocol: 'http' }, endpoints: [{ address: '10.1.1.1', port: 80 }] },
  }),
  at('Dataplane', 'dataplanes', 'backend-1', {
    labels: { 'kuma.io/workload': 'backend', app: 'backend' },
    networking: { address: '10.0.0.2', inbound: [{ port: 8080, name: 'main', protocol: 'http' }] },
  }),
]

const lists = [
  '/meshes/default/meshtimeouts',
  '/meshes/default/meshretries',
  '/meshes/default/meshmultizoneservices',
  '/meshes/default/meshexternalservices',
  '/meshes/default/meshservices',
  '/meshes/default/meshzoneaddresses',
  '/meshes/default/dataplanes',
  '/meshes/default/workloads',
  '/meshes/default/meshcircuitbreakers',
  '/hostnamegenerators',
]

type View = Readonly<Record<string, readonly unknown[]>>

/** What is comparable of a resource: what a status says, when it was written and by whom belongs to one control plane. */
function comparable({ creationTime: _c, modificationTime: _m, status: _s, warnings: _w, ...rest }: Shown): unknown {
  return rest
}

/** The services of proxies that are ready: those that a workload made, not those written by hand. */
function isAvailable(service: unknown): boolean {
  const spec: unknown = typeof service === 'object' && service !== null && 'spec' in service ? service.spec : undefined
  return typeof spec === 'object' && spec !== null && 'state' in spec && spec.state === 'Available'
}

async function views(fed: Federation): Promise<Readonly<Record<string, View>>> {
  const shown: Record<string, View> = {}
  for (const peer of [fed.global, fed.zone('east'), fed.zone('west')]) {
    const view: Record<string, readonly unknown[]> = {}
    for (const path of lists) view[path] = [...(await peer.items(path))].sort((a, b) => (a.name < b.name ? -1 : 1)).map(comparable)
    shown[peer.name] = view
  }
  return shown
}

/** Runs the inputs and waits until nothing moves any more. */
async function settled(plan: FederationPlan): Promise<Readonly<Record<string, View>>> {
  await using fed = await federation(plan)
  await up(fed, Object.keys(plan.zones))
  const zones = [fed.zone('east'), fed.zone('west')]
  for (const peer of zones) await until(`mesh in ${peer.name}`, async () => (await peer.get('/meshes/default')) !== undefined)
  for (const [path, resource] of ofGlobal) await fed.global.put(path, resource)
  for (const peer of zones) for (const [path, resource] of ofZone) await peer.put(path, resource)
  // generated services and workloads travel too
  await until(
    'everything everywhere',
    async () => {
      const { global, east, west } = await views(fed)
      const count = (view: View | undefined, path: string): number => view?.[path]?.length ?? 0
      // a stock zone looks every 5 s, later when it looked too early, so that a while without changes does not say that it is done
      const hasStates = (view: View | undefined): boolean => (view?.['/meshes/default/meshservices'] ?? []).filter(isAvailable).length === 2
      return (
        count(global, '/meshes/default/meshservices') === 4 &&
        count(global, '/meshes/default/workloads') === 2 &&
        count(global, '/meshes/default/dataplanes') === 2 &&
        [global, east, west].every(hasStates) &&
        [east, west].every(
          (view) => count(view, '/meshes/default/meshservices') === 4 && count(view, '/meshes/default/meshzoneaddresses') === 2,
        )
      )
    },
    120_000,
  )
  let last = ''
  let [quietMs, lookedAt] = [0, performance.now()]
  await until(
    'quiet',
    async () => {
      const now = JSON.stringify(await views(fed))
      // a machine that stood still in between is not quiet
      quietMs = now === last ? quietMs + Math.min(performance.now() - lookedAt, 500) : 0
      lookedAt = performance.now()
      last = now
      return quietMs > 8_000
    },
    120_000,
  )
  return await views(fed)
}

describe('what the same inputs leave behind', { skip: withoutStock, concurrency: 1, timeout: 1_000_000 }, () => {
  let stock: Readonly<Record<string, View>> = {}
  before(async () => {
    stock = await settled({ global: 'stock', zones: { east: 'stock', west: 'stock' } })
  })
  after(() => {
    stock = {}
  })
  const runs: readonly (readonly [string, FederationPlan])[] = [
    ['our zone at a stock global', { global: 'stock', zones: { east: 'ours', west: 'stock' } }],
    ['our global with stock zones', { global: 'ours', zones: { east: 'stock', west: 'stock' } }],
    ['our global with one zone of each kind', { global: 'ours', zones: { east: 'ours', west: 'stock' } }],
    ['ours alone', { global: 'ours', zones: { east: 'ours', west: 'ours' } }],
  ]
  for (const [name, plan] of runs)
    test(name, async () => {
      const mine = await settled(plan)
      // what each control plane makes for itself alone may differ; what travels may not
      for (const path of lists) assert.deepEqual(mine['global']?.[path], stock['global']?.[path], path)
    })
})
