// Matching and merging from cold, in this process and with nothing else in it: the graph selects the policies of every proxy, then each distinct set
// of policies is merged for everything its proxies listen on and call, as building them does.
import { effectiveInbound, effectiveOutbound, effectiveProxy, policyDescriptors } from '../../packages/policies/src/index.ts'
import { silentLogger } from '../../packages/foundation/src/log/index.ts'
import { systemClock } from '../../packages/foundation/src/time/index.ts'
import { createGraph } from '../../packages/graph/src/index.ts'
import { createMesh, defaultMeshSettings } from '../../packages/mesh/src/index.ts'
import { proxyMetadata, transparentProxy } from '../../packages/mesh/src/world.fixture.ts'
import { destinationLookup } from '../../packages/policy/src/index.ts'
import { coreDescriptors, createRegistry, labelKeys } from '../../packages/resources/src/index.ts'
import { createMemoryStore, type StoreOp } from '../../packages/store/src/index.ts'
import { connectTimeout, meshName, permission } from './resources.ts'
import { benchPolicies } from './policy-resources.ts'

export interface MergingSize {
  readonly proxies: number
  readonly services: number
  readonly policies: number
}

export interface MergingTimes {
  /** Selecting the policies of every proxy, with the facts of the proxies that come with it. */
  readonly matchMs: number
  readonly mergeMs: number
  /** CPU time of both. */
  readonly cpuMs: number
  /** Distinct sets of policies. */
  readonly sets: number
}

/** Measures once; every call is a control plane of its own, but only the first of a process is cold. */
export async function measureMerging({ proxies, services, policies }: MergingSize): Promise<MergingTimes> {
  const store = createMemoryStore({ clock: systemClock, log: silentLogger })
  const graph = createGraph({ clock: systemClock, log: silentLogger })
  const settings = { ...defaultMeshSettings, zone: 'zone-1' }
  const mesh = createMesh({
    graph,
    store,
    registry: createRegistry([...coreDescriptors, ...policyDescriptors]),
    settings,
    clock: systemClock,
    log: silentLogger,
  })
  const context = { actor: 'user:bench', reason: 'bench', class: 'desired' } as const
  const put = (resource: Omit<StoreOp & { op: 'put' }, 'op'>['resource']): StoreOp => ({ op: 'put', resource })
  const labelsOf = (name: string, workload: string) => ({
    [labelKeys.mesh]: meshName,
    [labelKeys.displayName]: name,
    [labelKeys.origin]: 'zone',
    [labelKeys.zone]: settings.zone,
    [labelKeys.workload]: workload,
  })
  await store.transact([put({ type: 'Mesh', mesh: '', name: meshName, labels: {}, spec: {} })], context)
  const all = [permission([settings.zone]), connectTimeout(2000), ...benchPolicies(policies - 2, services)]
  await store.transact(
    all.map(({ type, name, labels = {}, spec }) => put({ type, mesh: meshName, name, labels, spec })),
    context,
  )
  await store.transact(
    Array.from({ length: proxies }, (_, index) => {
      const [name, workload] = [`dp-${index}`, `svc-${index % services}`]
      const networking = {
        address: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
        inbound: [{ port: 8080, name: 'main', protocol: 'http' }],
      }
      return put({ type: 'Dataplane', mesh: meshName, name, labels: labelsOf(name, workload), spec: { networking } })
    }),
    context,
  )
  try {
    mesh.start()
    await mesh.settled()
    const before = process.cpuUsage()
    const began = performance.now()
    graph.transact('connect', () => {
      for (let index = 0; index < proxies; index++) mesh.proxies.set(`${meshName}/dp-${index}`, { ...proxyMetadata, transparentProxy })
    })
    const matched = performance.now()
    const lookup = destinationLookup([...mesh.destinations.entries()].map(([, destination]) => destination))
    const sets = new Set<unknown>()
    for (const [, facts] of mesh.proxyFacts.entries()) {
      sets.add(facts.policies)
      effectiveProxy(facts.policies)
      for (const inbound of facts.inbounds) effectiveInbound(facts.policies, inbound)
      for (const { destination } of facts.outbounds) effectiveOutbound(facts.policies, destination, lookup)
    }
    const mergeMs = performance.now() - matched
    const { user, system } = process.cpuUsage(before)
    return { matchMs: matched - began, mergeMs, cpuMs: (user + system) / 1000, sets: sets.size }
  } finally {
    await mesh.stop()
    await store.close()
  }
}
