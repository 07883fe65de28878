// A global and its zones in one process: memory stores, real gRPC on loopback.
import { silentLogger, type Logger } from '@weft/foundation/log'
import { createSilenceWatch } from '@weft/foundation/net'
import { systemClock } from '@weft/foundation/time'
import { coreDescriptors, createRegistry, defineResource, type Labels, stringMap } from '@weft/resources'
import { createMemoryStore, type Store } from '@weft/store'
import { createKdsClient, type KdsClientOptions } from '../client.ts'
import { type EnvoyAdmin, type KdsClient, type KdsServer, silentRecorder } from '../contract.ts'
import { defaultMassDelete } from '../mass-delete-guard.ts'
import { createKdsServer, type KdsServerOptions } from '../server.ts'

/** A policy kind with the least schema, so that these tests do not depend on real policies. */
export const meshTimeout = defineResource({
  type: 'MeshTimeout',
  scope: 'Mesh',
  short: 'mt',
  rest: { path: 'meshtimeouts' },
  display: { one: 'Mesh Timeout', many: 'Mesh Timeouts' },
  sync: 'everywhere',
  wire: { spec: 'json' },
  policy: { order: 1000, to: true, rules: true, single: false },
  spec: {
    type: 'object',
    properties: {
      targetRef: { type: 'object', properties: { kind: { type: 'string' } } },
      to: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            targetRef: { type: 'object', properties: { kind: { type: 'string' }, labels: stringMap } },
            default: { type: 'object', properties: { idleTimeout: { type: 'string' } } },
          },
        },
      },
    },
  },
  validate: (spec) =>
    spec.to?.some((item) => item.default?.idleTimeout === 'never')
      ? [{ field: 'spec.to[0].default.idleTimeout', message: 'must be a duration' }]
      : [],
})

export const registry = createRegistry([...coreDescriptors, meshTimeout])

/** Patience with a busy machine. */
const patienceMs = 120_000

/** Waits for a condition that an event of the system under test brings about; fails when it never comes. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export interface Member {
  readonly store: Store
  put(type: string, mesh: string, name: string, spec: unknown, labels?: Labels): Promise<number>
  remove(type: string, mesh: string, name: string): Promise<number>
}

export function memberOf(store: Store): Member {
  const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
  return {
    store,
    put: (type, mesh, name, spec, labels = {}) => store.transact([{ op: 'put', resource: { type, mesh, name, labels, spec } }], context),
    remove: (type, mesh, name) => store.transact([{ op: 'delete', key: { type, mesh, name } }], context),
  }
}

export const memoryStore = (id?: string): Store => createMemoryStore({ clock: systemClock, log: silentLogger, ...(id ? { id } : {}) })

export const version = { version: '3.0.0', gitTag: 'v3.0.0', gitCommit: 'abc', buildDate: '2026' }
export const noAdmin: EnvoyAdmin = { ask: () => Promise.reject(new Error('no such proxy')) }

export function serverOptions(store: Store, extra: Partial<KdsServerOptions> = {}): KdsServerOptions {
  return {
    store,
    registry,
    clock: systemClock,
    log: silentLogger,
    recorder: silentRecorder,
    admit: () => ({ admitted: true, credential: 'none', expiresAt: undefined }),
    self: { instanceId: 'global-1', version },
    host: '127.0.0.1',
    port: 0,
    systemNamespace: 'kuma-system',
    // pings of the transport pass in real time, also where a test tells the time
    silence: createSilenceWatch({ clock: systemClock, limitMs: 60_000 }),
    skipPrefixes: [],
    massDelete: defaultMassDelete,
    ...extra,
  }
}

export function clientOptions(store: Store, zone: string, port: number, extra: Partial<KdsClientOptions> = {}): KdsClientOptions {
  return {
    store,
    registry,
    clock: systemClock,
    log: silentLogger,
    recorder: silentRecorder,
    envoyAdmin: noAdmin,
    self: { instanceId: `${zone}-1`, version },
    zone,
    globalAddress: `grpc://127.0.0.1:${port}`,
    credentials: () => ({ skipVerify: false }),
    config: () => '{"environment":"universal","mode":"zone","store":{"type":"memory"}}',
    systemNamespace: 'kuma-system',
    skipPrefixes: [],
    massDelete: defaultMassDelete,
    ...extra,
  }
}

export interface Federation extends AsyncDisposable {
  readonly global: Member & { readonly server: KdsServer }
  zone(name: string): Member & { readonly client: KdsClient }
}

export async function federation(
  zones: readonly string[],
  extra: { readonly server?: Partial<KdsServerOptions>; readonly client?: Partial<KdsClientOptions>; readonly log?: Logger } = {},
): Promise<Federation> {
  const globalStore = memoryStore()
  const log = extra.log ? { log: extra.log } : {}
  const server = createKdsServer(serverOptions(globalStore, { ...log, ...extra.server }))
  await server.start()
  const members = new Map<string, Member & { client: KdsClient }>()
  for (const zone of zones) {
    const store = memoryStore()
    const client = createKdsClient(clientOptions(store, zone, server.port, { ...log, ...extra.client }))
    await client.start()
    members.set(zone, { ...memberOf(store), client })
  }
  return {
    global: { ...memberOf(globalStore), server },
    zone: (name) => {
      const member = members.get(name)
      if (!member) throw new Error(`no zone ${name}`)
      return member
    },
    [Symbol.asyncDispose]: async () => {
      for (const { client, store } of members.values()) {
        await client.stop()
        await store.close()
      }
      await server.stop()
      await globalStore.close()
    },
  }
}

/** Starts a component and stops it at the end of the block, unless the block did. */
export async function running<C extends { start(): Promise<void>; stop(): Promise<void> }>(component: C): Promise<C & AsyncDisposable> {
  await component.start()
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => (stopping ??= component.stop())
  const own = { stop, [Symbol.asyncDispose]: stop }
  // everything else is inherited, accessors too
  return Object.setPrototypeOf(own, component) as C & AsyncDisposable
}
