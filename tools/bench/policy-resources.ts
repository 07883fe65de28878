// Fifty policies of a busy mesh, and the edits that are measured on top of them.
import { type BenchResource, meshName } from './resources.ts'

/** What policies of a kind say, made different by a number. */
type Conf = (seed: number) => object

const kinds: readonly (readonly [string, Conf])[] = [
  ['MeshTimeout', (seed) => ({ idleTimeout: `${60 + seed}s`, http: { requestTimeout: `${5 + seed}s` } })],
  ['MeshRetry', (seed) => ({ http: { numRetries: 1 + (seed % 5), retryOn: ['5xx'] }, tcp: { maxConnectAttempt: 1 + (seed % 3) } })],
  ['MeshCircuitBreaker', (seed) => ({ connectionLimits: { maxConnections: 100 + seed, maxRequests: 200 + seed } })],
  ['MeshLoadBalancingStrategy', (seed) => ({ loadBalancer: { type: seed % 2 === 0 ? 'LeastRequest' : 'RoundRobin' } })],
  ['MeshHealthCheck', (seed) => ({ interval: `${10 + seed}s`, http: { path: '/healthy' } })],
  ['MeshAccessLog', () => ({ backends: [{ type: 'File', file: { path: '/dev/null' } }] })],
]

/**
 * Policies beside the mesh-wide ones that every benchmark has: one of each kind for the whole mesh, the others for the proxies of one service each.
 * `services` is how many services there are.
 */
export function benchPolicies(count: number, services: number): readonly BenchResource[] {
  return Array.from({ length: count }, (_, index) => {
    const [type, conf] = kinds[index % kinds.length] ?? kinds[0] ?? ['', () => ({})]
    const targetRef =
      index < kinds.length ? { kind: 'Mesh' } : { kind: 'Dataplane', labels: { 'kuma.io/workload': `svc-${(index * 7) % services}` } }
    const spec = { targetRef, to: [{ targetRef: { kind: 'Mesh' }, default: conf(index) }] }
    return { type, mesh: meshName, name: `bench-${index}`, spec }
  })
}

/** Changes one field of every cluster of the proxy with this name, and of no other. */
export function oneProxyTimeout(dataplane: string, ms: number): BenchResource {
  const targetRef = { kind: 'Dataplane', labels: { 'kuma.io/display-name': dataplane } }
  const to = [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${ms}ms` } }]
  return { type: 'MeshTimeout', mesh: meshName, name: 'one', spec: { targetRef, to } }
}

/** Two entries for different destinations: which comes first makes no difference. */
const entries = ['svc-1', 'svc-2'].map((name, index) => ({
  targetRef: { kind: 'MeshService', labels: { 'kuma.io/display-name': name } },
  default: { http: { numRetries: index + 2 } },
}))
const pair: BenchResource = { type: 'MeshRetry', mesh: meshName, name: 'pair', spec: { targetRef: { kind: 'Mesh' }, to: entries } }

/** A mesh-wide policy, and edits of it that change nothing for any proxy: a label, the order of its entries, the order of its fields. */
export const noOps: { readonly before: BenchResource; readonly edits: readonly (readonly [string, BenchResource])[] } = {
  before: pair,
  edits: [
    ['label', { ...pair, labels: { note: 'a-comment' } }],
    ['order of entries', { ...pair, labels: { note: 'a-comment' }, spec: { targetRef: { kind: 'Mesh' }, to: entries.toReversed() } }],
    ['order of fields', { ...pair, labels: { note: 'another' }, spec: { to: entries.toReversed(), targetRef: { kind: 'Mesh' } } }],
  ],
}
