// What every new Mesh starts with, as data (contract/policies.md section 4).

export interface DefaultPolicy {
  readonly type: string
  /** Name for a mesh. */
  name(mesh: string): string
  readonly spec: unknown
}

const wholeMesh = { kind: 'Mesh' } as const
const backOff = { baseInterval: '25ms', maxInterval: '250ms' } as const
const retries = { numRetries: 5, perTryTimeout: '16s', backOff } as const

/** Policies of a new mesh, unless its `skipCreatingInitialPolicies` names their type or `*`. */
export const defaultPolicies: readonly DefaultPolicy[] = [
  {
    type: 'MeshTimeout',
    name: (mesh) => `mesh-timeout-all-${mesh}`,
    spec: {
      targetRef: wholeMesh,
      rules: [
        {
          default: {
            connectionTimeout: '10s',
            idleTimeout: '2h0m0s',
            http: { requestTimeout: '0s', streamIdleTimeout: '1h0m0s', maxStreamDuration: '0s' },
          },
        },
      ],
    },
  },
  {
    type: 'MeshTimeout',
    name: (mesh) => `mesh-timeout-to-all-${mesh}`,
    spec: {
      targetRef: wholeMesh,
      to: [
        {
          targetRef: wholeMesh,
          default: { connectionTimeout: '5s', idleTimeout: '1h0m0s', http: { requestTimeout: '15s', streamIdleTimeout: '30m0s' } },
        },
      ],
    },
  },
  {
    type: 'MeshCircuitBreaker',
    name: (mesh) => `mesh-circuit-breaker-all-${mesh}`,
    spec: {
      targetRef: wholeMesh,
      to: [
        {
          targetRef: wholeMesh,
          default: { connectionLimits: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 } },
        },
      ],
    },
  },
  {
    type: 'MeshRetry',
    name: (mesh) => `mesh-retry-all-${mesh}`,
    spec: {
      targetRef: wholeMesh,
      to: [{ targetRef: wholeMesh, default: { tcp: { maxConnectAttempt: 5 }, http: retries, grpc: retries } }],
    },
  },
]

/** The Secret with the first key that signs tokens of a mesh's proxies. */
export function dataplaneSigningKeyName(mesh: string): string {
  return `dataplane-token-signing-key-${mesh}-1`
}
