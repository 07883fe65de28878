// A simulated proxy whose losses are written down: what was removed from it, replaced or made smaller since a mark.
import {
  planIngress,
  planSidecar,
  type ReceivedResponse,
  SimulatedProxy,
  type SimulatedType,
  simulatedTypes,
} from '../../packages/testkit/src/index.ts'
import { zone } from './control-planes.ts'

export interface Losses {
  /** `<proxy> <type> <name>` of every resource that was taken away. */
  readonly removed: string[]
  /** Load assignments that came with fewer preferred endpoints than held before. */
  readonly shrunk: string[]
  /** Everything that was replaced by another version. */
  readonly replaced: string[]
}

export interface WatchedProxy {
  readonly name: string
  readonly proxy: SimulatedProxy
}

export interface ProxyGroup {
  readonly all: readonly WatchedProxy[]
  /** Adds and connects a sidecar of a service, or the zone ingress. */
  add(kind: 'sidecar' | 'ingress', options: { readonly index: number; readonly token: string; readonly backends?: boolean }): WatchedProxy
  /** Forgets what was written down. */
  mark(): void
  readonly losses: Losses
  close(): void
}

export const services = 5

export interface ProxyGroupOptions {
  /** All zones of the federation; default: only the one these proxies live in. */
  readonly zones?: readonly string[]
  /** The zone these proxies live in. */
  readonly own?: string
  /** Hears of every loss: what was taken away or made smaller. */
  readonly onLoss?: (proxy: string, what: string) => void
  readonly onResponse?: (proxy: string, response: ReceivedResponse) => void
  /** What a proxy says of a resource that it does not take. */
  readonly refuses?: (proxy: string, type: SimulatedType, resource: Uint8Array) => string | undefined
}

/** Proxies of one zone: services svc-0 to svc-4, each proxy reaching the next four, half of them in other zones if there are any. */
export function proxyGroup(address: string, options: ProxyGroupOptions = {}): ProxyGroup {
  const own = options.own ?? zone
  const plan = { mesh: 'default', zones: options.zones ?? [own], services, reachable: 4, probes: 0 } as const
  const all: WatchedProxy[] = []
  const losses = { removed: [] as string[], shrunk: [] as string[], replaced: [] as string[] }
  return {
    all,
    losses,
    mark: () => {
      for (const list of Object.values(losses)) list.length = 0
    },
    add: (kind, { index, token, backends = true }) => {
      const service = index % services
      const workload = `svc-${service}`
      const planned =
        kind === 'ingress'
          ? planIngress(plan, own, index)
          : planSidecar(plan, { zone: own, name: `${workload}-${index}`, workload, index, service })
      const held = new Map<SimulatedType, Map<string, { readonly version: string; readonly preferred: number }>>()
      for (const type of simulatedTypes) held.set(type, new Map())
      const lose = (list: string[], what: string): void => {
        list.push(`${planned.name} ${what}`)
        options.onLoss?.(planned.name, what)
      }
      const note = (_: SimulatedProxy, response: ReceivedResponse): void => {
        const { type, resources, removed } = response
        const known = held.get(type)
        for (const name of removed) if (known?.delete(name)) lose(losses.removed, `${type} ${name}`)
        for (const [name, item] of resources) {
          const before = known?.get(name)
          if (before && before.version !== item.version) losses.replaced.push(`${planned.name} ${type} ${name}`)
          if (before && item.preferredEndpoints < before.preferred) {
            lose(losses.shrunk, `${name} ${before.preferred} -> ${item.preferredEndpoints}`)
          }
          known?.set(name, { version: item.version, preferred: item.preferredEndpoints })
        }
        options.onResponse?.(planned.name, response)
      }
      const proxy = new SimulatedProxy({
        address,
        token,
        node: planned.node,
        backends: kind === 'sidecar' && backends ? planned.backends : [],
        onResponse: note,
        refuses: (type, resource) => options.refuses?.(planned.name, type, resource),
        // quick to come back, but not all at once
        random: () => 0.2 + (index % 10) / 20,
      })
      const watched = { name: planned.name, proxy }
      all.push(watched)
      proxy.connect()
      return watched
    },
    close: () => {
      for (const { proxy } of all) proxy.close()
    },
  }
}
