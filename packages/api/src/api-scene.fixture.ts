// A control plane's API over a memory store, for tests: every role, and a way to ask it.
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock } from '@weft/foundation/time'
import { policyDescriptors } from '@weft/policies'
import { coreDescriptors, createRegistry, type Resource } from '@weft/resources'
import { createMemoryStore, type Store, strictStore } from '@weft/store'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { defaultAccessRules } from './access.ts'
import type { ApiServerDeps, ApiSettings, ControlPlaneIdentity } from './api-deps.ts'
import { createApiApp } from './server.ts'

export const registry = createRegistry([...coreDescriptors, ...policyDescriptors])

export type Role = 'global' | 'zone' | 'standalone'

export interface SceneOptions {
  readonly role?: Role
  readonly settings?: Partial<ApiSettings>
  readonly deps?: Partial<ApiServerDeps>
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, unknown>>
  /** Parsed body; tests know its shape. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies freely
  readonly json: Record<string, any>
}

export interface Scene {
  readonly store: Store
  readonly clock: FakeClock
  readonly deps: ApiServerDeps
  readonly app: FastifyInstance
  ask(
    method: NonNullable<InjectOptions['method']>,
    url: string,
    more?: { readonly body?: unknown; readonly headers?: Record<string, string>; readonly from?: string },
  ): Promise<Answer>
  get(url: string): Promise<Answer>
  put(url: string, body: unknown): Promise<Answer>
  delete(url: string): Promise<Answer>
  /** Puts a resource into the store behind the API. */
  seed(resource: Partial<Resource> & { readonly type: string; readonly name: string }): Promise<void>
}

const roles: Readonly<Record<Role, Pick<ControlPlaneIdentity, 'mode' | 'zone' | 'federated'>>> = {
  global: { mode: 'global', zone: '', federated: false },
  zone: { mode: 'zone', zone: 'east', federated: true },
  standalone: { mode: 'zone', zone: 'default', federated: false },
}

export const baseSettings: ApiSettings = {
  http: { enabled: true, interface: '127.0.0.1', port: 0 },
  https: { enabled: false, interface: '127.0.0.1', port: 0 },
  readOnly: false,
  corsAllowedDomains: [],
  localhostIsAdmin: true,
  access: defaultAccessRules,
  unsafeDelete: false,
  disableOriginLabelValidation: false,
}

/** Dependencies of an API server in a role, over a fresh store. */
export function sceneDeps(options: SceneOptions = {}): ApiServerDeps & { readonly clock: FakeClock } {
  const clock = new FakeClock()
  return {
    store: strictStore(createMemoryStore({ clock, log: silentLogger })),
    registry,
    log: silentLogger,
    metrics: createMetrics(),
    controlPlane: {
      ...roles[options.role ?? 'global'],
      environment: 'universal',
      hostname: 'host',
      instanceId: 'cp-1',
      version: '3.0.0-preview.weft',
      clusterId: () => 'cluster',
    },
    settings: { ...baseSettings, ...options.settings },
    configJson: () => '{"mode":"global"}',
    generateSigningKey: async () => 'PEM',
    ...options.deps,
    clock,
  }
}

/** Runs `body` against an API and closes it. */
export async function withApi(options: SceneOptions, body: (scene: Scene) => Promise<void>): Promise<void> {
  const deps = sceneDeps(options)
  const app = createApiApp(deps)
  await app.ready()
  const ask: Scene['ask'] = async (method, url, more = {}) => {
    const payload = more.body === undefined ? undefined : typeof more.body === 'string' ? more.body : JSON.stringify(more.body)
    const response = await app.inject({
      method,
      url,
      headers: { host: 'localhost:5681', ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...more.headers },
      remoteAddress: more.from ?? '127.0.0.1',
      ...(payload === undefined ? {} : { payload }),
    })
    let json: unknown
    try {
      json = JSON.parse(response.body)
    } catch {
      json = undefined
    }
    return { status: response.statusCode, text: response.body, headers: response.headers, json: json as Answer['json'] }
  }
  try {
    await body({
      deps,
      store: deps.store,
      clock: deps.clock,
      app,
      ask,
      get: (url) => ask('GET', url),
      put: (url, value) => ask('PUT', url, { body: value }),
      delete: (url) => ask('DELETE', url),
      seed: async (resource) => {
        const { type, name, mesh = '', labels = {}, spec = {}, status } = resource
        await deps.store.transact(
          [{ op: 'put', resource: { type, name, mesh, labels, spec, ...(status === undefined ? {} : { status }) } }],
          { actor: 'test', reason: 'seed', class: 'desired' },
        )
      },
    })
  } finally {
    await app.close()
  }
}

export const timeout = (name: string, labels: Record<string, string> = {}) => ({
  type: 'MeshTimeout',
  mesh: 'm',
  name,
  labels,
  spec: { targetRef: { kind: 'Mesh' }, to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '3s' } }] },
})
