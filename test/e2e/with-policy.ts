// A policy for the length of a step.
import type { TestZone } from './zone.ts'

const paths = {
  MeshCircuitBreaker: 'meshcircuitbreakers',
  MeshFaultInjection: 'meshfaultinjections',
  MeshHTTPRoute: 'meshhttproutes',
  MeshHealthCheck: 'meshhealthchecks',
  MeshLoadBalancingStrategy: 'meshloadbalancingstrategies',
  MeshPassthrough: 'meshpassthroughs',
  MeshProxyPatch: 'meshproxypatches',
  MeshRateLimit: 'meshratelimits',
  MeshRetry: 'meshretries',
  MeshTCPRoute: 'meshtcproutes',
  MeshTimeout: 'meshtimeouts',
} as const

/** The policy holds while the step runs, which may change what it says. */
export async function withPolicy(
  zone: TestZone,
  policy: { readonly type: keyof typeof paths; readonly spec: object },
  step: (change: (spec: object) => Promise<void>) => Promise<void>,
): Promise<void> {
  const path = `/meshes/default/${paths[policy.type]}/tried`
  const write = (spec: object): Promise<void> =>
    zone.put(path, { type: policy.type, mesh: 'default', name: 'tried', labels: { 'kuma.io/origin': 'zone' }, spec })
  await write(policy.spec)
  try {
    await step(write)
  } finally {
    await zone.remove(path)
  }
}
