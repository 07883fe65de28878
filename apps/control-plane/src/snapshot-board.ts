// The latest snapshot of every proxy, and who waits for it.
import type { SnapshotProvider } from '@weft/dataplane-server'
import type { ProxySnapshot } from '@weft/xds'

export interface SnapshotBoard extends SnapshotProvider {
  post(proxyKey: string, snapshot: ProxySnapshot): void
  remove(proxyKey: string): void
}

export function createSnapshotBoard(): SnapshotBoard {
  const latest = new Map<string, ProxySnapshot>()
  const listeners = new Map<string, Set<(snapshot: ProxySnapshot) => void>>()
  return {
    post: (proxyKey, snapshot) => {
      latest.set(proxyKey, snapshot)
      for (const listener of listeners.get(proxyKey) ?? []) listener(snapshot)
    },
    remove: (proxyKey) => void latest.delete(proxyKey),
    onSnapshot: (proxyKey, listener) => {
      const own = listeners.get(proxyKey) ?? new Set()
      own.add(listener)
      listeners.set(proxyKey, own)
      const current = latest.get(proxyKey)
      if (current) listener(current)
      return () => {
        own.delete(listener)
        if (own.size === 0 && listeners.get(proxyKey) === own) listeners.delete(proxyKey)
      }
    },
  }
}
