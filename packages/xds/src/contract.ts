// What the discovery server serves: cells that streams subscribe to, gathered in one snapshot per proxy. Knows no mesh.

export type XdsType = 'cluster' | 'endpoint' | 'listener' | 'secret'

/** One encoded resource. `frame` is field 2 of DeltaDiscoveryResponse (tag, length, Resource bytes), so sending is concatenation. */
export interface EncodedResource {
  readonly name: string
  /** Hex content hash; equal content has an equal version, so a reconnecting proxy is not sent what it has. */
  readonly version: string
  readonly frame: Uint8Array
  /** Names this resource makes Envoy ask for or rely on: order of make before break. */
  readonly needs?: {
    readonly clusters?: readonly string[]
    readonly endpoints?: readonly string[]
    readonly secrets?: readonly string[]
    /** Clusters to wait for although this resource does not use them. */
    readonly after?: readonly string[]
  }
  /** Of a listener: an opaque text that is equal for listeners that bind the same address; such a listener goes with the removal of its predecessor. */
  readonly address?: string
}

/** A named place whose content may change; shared by every snapshot that holds it. `undefined` content: known not to exist, unless awaited. */
export interface ResourceCell {
  readonly type: XdsType
  readonly name: string
  readonly current: EncodedResource | undefined
  /** True while there is no content yet but some will come: nothing is answered, and what a proxy holds under the name stays. */
  readonly awaited: boolean
  /** Replaces the content and marks every stream that serves the cell. Equal version: nothing happens. */
  set(next: EncodedResource | undefined): void
}

/** Everything one proxy may have. Immutable; built anew when the set of cells changes, not when a cell's content changes. */
export interface ProxySnapshot {
  readonly cluster: ReadonlyMap<string, ResourceCell>
  readonly endpoint: ReadonlyMap<string, ResourceCell>
  readonly listener: ReadonlyMap<string, ResourceCell>
  readonly secret: ReadonlyMap<string, ResourceCell>
}
