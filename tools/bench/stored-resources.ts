// Resources of 10,000 proxies as a zone stores them, and policies that are written one by one.
import type { PutOp, WriteContext } from '../../packages/store/src/index.ts'

export const desired: WriteContext = { actor: 'user:bench', reason: 'api', class: 'desired' }
export const observed: WriteContext = { actor: 'generator:insights', reason: 'status', class: 'observed' }

/** How many dataplanes, each with its insight. */
export const storedProxies = 10_000

export function storedDataplane(n: number): PutOp {
  const workload = `backend-${n % 100}`
  return {
    op: 'put',
    resource: {
      type: 'Dataplane',
      mesh: 'default',
      name: `backend-${n}`,
      labels: {
        'kuma.io/mesh': 'default',
        'kuma.io/zone': 'zone-1',
        'kuma.io/origin': 'zone',
        'kuma.io/workload': workload,
        'kuma.io/display-name': `backend-${n}`,
        app: workload,
      },
      spec: {
        networking: {
          address: `10.0.${Math.floor(n / 250)}.${(n % 250) + 1}`,
          inbound: [{ port: 8080, name: 'http', protocol: 'http', state: 'Ready' }],
        },
      },
    },
  }
}

export function storedInsight(n: number, sent = 0): PutOp {
  return {
    op: 'put',
    resource: {
      type: 'DataplaneInsight',
      mesh: 'default',
      name: `backend-${n}`,
      labels: {},
      spec: {
        subscriptions: [
          {
            id: `${n}`,
            controlPlaneInstanceId: 'cp-1',
            connectTime: '2026-01-01T00:00:00Z',
            status: { total: { responsesSent: String(sent), responsesAcknowledged: String(sent) } },
            version: { kumaDp: { version: '2.14.0' }, envoy: { version: '1.40.0' } },
          },
        ],
      },
    },
  }
}

export function storedPolicy(n: number, name = 'slow'): PutOp {
  const spec = { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: `${n}s` } }] }
  return { op: 'put', resource: { type: 'MeshTimeout', mesh: 'default', name, labels: {}, spec } }
}

/** Writes all dataplanes and insights, and the mesh they are in. */
export async function fillStore(store: { transact(ops: readonly PutOp[], context: WriteContext): Promise<number> }): Promise<void> {
  await store.transact([{ op: 'put', resource: { type: 'Mesh', mesh: '', name: 'default', labels: {}, spec: {} } }], desired)
  for (let from = 0; from < storedProxies; from += 500) {
    const range = Array.from({ length: 500 }, (_, at) => from + at)
    await store.transact(
      range.flatMap((n) => [storedDataplane(n), storedInsight(n)]),
      observed,
    )
  }
}
