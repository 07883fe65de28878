// The open discovery streams of this zone by proxy: for whatever has to know what connected proxies run. One stream per proxy, the newest.
import type { DeltaStream } from '@weft/xds'

/** What is asked of a stream here and by those who get it. */
export type ProxyStream = Pick<
  DeltaStream,
  'closed' | 'resumed' | 'runs' | 'settled' | 'asked' | 'caughtUp' | 'ackedVersion' | 'ackedVersions'
>

export interface ProxyStreams {
  opened(proxyKey: string, stream: ProxyStream): void
  /** Forgets the stream of a proxy if it is over. */
  progressed(proxyKey: string): void
  get(proxyKey: string): ProxyStream | undefined
  /** Proxies of a mesh with their streams. */
  ofMesh(mesh: string): ReadonlyMap<string, ProxyStream>
  /** True when any connected proxy holds a listener of this destination (KRI without a section). */
  holdsListener(kri: string): boolean
}

/** The mesh of a proxy's key (`mesh/name`). */
export function meshOfProxy(proxyKey: string): string {
  return proxyKey.slice(0, proxyKey.indexOf('/'))
}

const none: ReadonlyMap<string, ProxyStream> = new Map()

export function createProxyStreams(): ProxyStreams {
  const byMesh = new Map<string, Map<string, ProxyStream>>()
  const get = (proxyKey: string): ProxyStream | undefined => byMesh.get(meshOfProxy(proxyKey))?.get(proxyKey)
  return {
    opened: (proxyKey, stream) => {
      const mesh = meshOfProxy(proxyKey)
      const streams = byMesh.get(mesh) ?? new Map<string, ProxyStream>()
      byMesh.set(mesh, streams.set(proxyKey, stream))
    },
    progressed: (proxyKey) => {
      if (get(proxyKey)?.closed) byMesh.get(meshOfProxy(proxyKey))?.delete(proxyKey)
    },
    get,
    ofMesh: (mesh) => byMesh.get(mesh) ?? none,
    holdsListener: (kri) => {
      for (const streams of byMesh.values()) {
        for (const stream of streams.values()) {
          for (const name of stream.ackedVersions('listener').keys()) if (name.startsWith(kri)) return true
        }
      }
      return false
    },
  }
}
