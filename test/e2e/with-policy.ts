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

/** The policy holds while the step runs. */
export async function withPolicy(
  zone: TestZone,
  policy: { readonly type: keyof typeof paths; readonly spec: object },
  step: () => Promise<void>,
): Promise<void> {
  const path = `/meshes/default/${paths[policy.type]}/tried`
  await zone.put(path, { ...policy, mesh: 'default', name: 'tried', labels: { 'kuma.io/origin': 'zone' } })
  try {
    await step()
  } finally {
    await zone.remove(path)
  }
}
