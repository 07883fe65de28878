// A control plane in miniature for tests: memory store, graph, mesh; resources by short calls.
import type { ProxyMetadata } from '@weft/facts'
import { type Logger, silentLogger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { FakeClock } from '@weft/foundation/time'
import { type Collection, type NetChange, createGraph } from '@weft/graph'
import { coreDescriptors, createRegistry, defineResource, labelKeys, type Labels, type Resource } from '@weft/resources'
import { type Change, createMemoryStore, type Store } from '@weft/store'
import { createMesh, defaultMeshSettings, type MeshFacts, type MeshSettings } from './index.ts'

export const testPolicy = defineResource({
  type: 'MeshTimeout',
  scope: 'Mesh',
  short: 'mt',
  display: { one: 'Mesh Timeout', many: 'Mesh Timeouts' },
  sync: 'everywhere',
  wire: { spec: 'json' },
  policy: { order: 1000, to: true, rules: true, single: false },
  spec: { type: 'object', properties: {} },
})

/** A kind whose policies report whether their collectors exist. */
export const testTelemetryPolicy = defineResource({
  ...testPolicy,
  type: 'MeshMetric',
  short: 'mm',
  display: { one: 'Mesh Metric', many: 'Mesh Metrics' },
  policy: { order: 1500, to: false, rules: false, single: true },
  status: { type: 'object', properties: {} },
})

export interface WorldOptions {
  readonly settings?: Partial<MeshSettings>
  readonly store?: Store
  readonly clock?: FakeClock
  readonly holdsListener?: (kri: string) => boolean
  readonly log?: Logger
  readonly metrics?: Metrics
  /** False while it only watches. */
  readonly mayWrite?: () => boolean
}

export interface World extends AsyncDisposable {
  readonly clock: FakeClock
  readonly store: Store
  readonly graph: ReturnType<typeof createGraph>
  readonly mesh: MeshFacts
  /** Every change written by a generator, in order. */
  readonly generated: readonly Change[]
  put(
    type: string,
    name: string,
    value?: { readonly mesh?: string; readonly labels?: Labels; readonly spec?: unknown; readonly status?: unknown },
  ): Promise<void>
  remove(type: string, name: string, mesh?: string): Promise<void>
  dataplane(name: string, value: DataplaneInput): Promise<void>
  connect(name: string, metadata?: Partial<ProxyMetadata>): void
  get(type: string, name: string, mesh?: string): Resource
  find(type: string, name: string, mesh?: string): Resource | undefined
}

export interface DataplaneInput {
  readonly workload?: string
  readonly address: string
  readonly labels?: Labels
  readonly networking?: object
  readonly ports?: readonly {
    readonly port: number
    readonly name?: string
    readonly protocol?: string
    readonly state?: 'Ready' | 'NotReady'
  }[]
}

export const proxyMetadata: ProxyMetadata = {
  features: [],
  workdir: '/run',
  adminAddress: '127.0.0.1',
  adminPort: 9901,
  adminSocketPath: undefined,
  readinessPort: 9902,
  dnsPort: 0,
  ipv6Enabled: false,
  systemCaPath: '',
  metricsCertPath: '',
  metricsKeyPath: '',
  hostIp: '',
  otelEnv: undefined,
  transparentProxy: undefined,
}

export const transparentProxy = { inboundPort: 15006, outboundPort: 15001, ipv4: true, ipv6: false, dnsEnabled: true }

/** A started zone (or global) with the mesh `default`. */
export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const clock = options.clock ?? new FakeClock()
  const store = options.store ?? createMemoryStore({ clock, log: silentLogger })
  const graph = createGraph({ clock, log: silentLogger })
  const settings: MeshSettings = { ...defaultMeshSettings, zone: 'zone-a', ...options.settings }
  const { holdsListener, metrics, log = silentLogger } = options
  const mesh = createMesh({
    graph,
    store,
    registry: createRegistry([...coreDescriptors, testPolicy, testTelemetryPolicy]),
    settings,
    clock,
    log,
    ...(holdsListener ? { holdsListener } : {}),
    ...(metrics ? { metrics } : {}),
    ...(options.mayWrite ? { generating: { store, mayWrite: options.mayWrite } } : {}),
  })
  const generated: Change[] = []
  store.watch(store.seq, (changes) => generated.push(...changes.filter((change) => change.actor.startsWith('generator:'))))
  const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
  const world: World = {
    clock,
    store,
    graph,
    mesh,
    generated,
    put: async (type, name, value = {}) => {
      const of = value.mesh ?? (['Mesh', 'Zone', 'HostnameGenerator'].includes(type) ? '' : 'default')
      const { labels = {}, spec = {}, status } = value
      await store.transact(
        [{ op: 'put', resource: { type, mesh: of, name, labels, spec, ...(status === undefined ? {} : { status }) } }],
        context,
      )
      await mesh.settled()
    },
    remove: async (type, name, of = 'default') => {
      await store.transact([{ op: 'delete', key: { type, mesh: of, name } }], context)
      await mesh.settled()
    },
    dataplane: async (name, input) => {
      const labels: Record<string, string> = {
        [labelKeys.mesh]: 'default',
        [labelKeys.displayName]: name,
        [labelKeys.origin]: 'zone',
        [labelKeys.zone]: settings.zone,
        ...(input.workload === undefined ? {} : { [labelKeys.workload]: input.workload }),
        ...input.labels,
      }
      const spec = { networking: { address: input.address, inbound: input.ports ?? [], ...input.networking } }
      await world.put('Dataplane', name, { labels, spec })
    },
    connect: (name, metadata = {}) =>
      graph.transact('connect', () => mesh.proxies.set(`default/${name}`, { ...proxyMetadata, ...metadata })),
    find: (type, name, of) => store.get({ type, mesh: of ?? (type === 'Mesh' ? '' : 'default'), name }),
    get: (type, name, of) => {
      const found = world.find(type, name, of)
      if (!found) throw new Error(`no ${type} ${name}`)
      return found
    },
    [Symbol.asyncDispose]: async () => {
      await mesh.stop()
      await store.close()
    },
  }
  mesh.start()
  await mesh.settled()
  if (!options.store) await world.put('Mesh', 'default')
  return world
}

/** Collects the keys a collection changes. */
export function changesOf<V>(collection: Collection<V>): { take(): readonly string[]; takeChanges(): readonly NetChange<V>[] } {
  let changes: NetChange<V>[] = []
  collection.onCommit((batch) => changes.push(...batch))
  const takeChanges = (): readonly NetChange<V>[] => {
    const taken = changes
    changes = []
    return taken
  }
  return { takeChanges, take: () => takeChanges().map((change) => change.key) }
}

/** A generator with a selector on one kind. */
export function hostnameGenerator(
  kind: 'meshService' | 'meshMultiZoneService' | 'meshExternalService',
  template: string,
  matchLabels: Labels = {},
): object {
  return { selector: { [kind]: { matchLabels } }, template }
}

/** A MeshIdentity of global that selects everything and is ready. */
export const readyIdentity = {
  labels: { [labelKeys.origin]: 'global' },
  spec: { selector: { dataplane: { matchLabels: {} } }, provider: { type: 'Bundled' } },
  status: { conditions: [{ type: 'Ready', status: 'True', reason: 'Ready', message: '' }] },
} as const

/** The port of the sample backend. */
export const backendPort = [{ port: 8080, name: 'http', protocol: 'http' }] as const

/** Two proxies of the workload `backend` and a client without inbounds. */
export async function twoBackends(world: World): Promise<void> {
  await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: backendPort })
  await world.dataplane('backend-2', { workload: 'backend', address: '10.0.0.2', ports: backendPort })
  await world.dataplane('client-1', { workload: 'client', address: '10.0.0.3' })
}

/** The backend's MeshService port in the zone of a world. */
export const backendId = 'kri_msvc_default_zone-a__backend_http'
