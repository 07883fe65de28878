// A proxy for tests: subscribes, warms, accepts and refuses as Envoy does, and asserts at every step what make before break promises.
// Resources are JSON in place of protobuf; a response reaches it and a request leaves it only when the test says so.
import assert from 'node:assert/strict'
import { codec, type envoy } from '@weft/proto'
import type { XdsType } from '../contract.ts'
import type { DeltaRequest } from '../delta-request.ts'
import { typeUrls, xdsTypeOf } from '../type-urls.ts'

/** The content of a simulated resource. */
export interface Content {
  readonly salt: number
  /** The proxy refuses it. */
  readonly poison?: boolean
  /** Of a cluster. */
  readonly endpoints?: string
  /** Of a listener. */
  readonly clusters?: readonly string[]
  /** Of a listener: clusters it follows without using them. */
  readonly after?: readonly string[]
  /** Of a listener. */
  readonly address?: string
  /** Of a cluster or listener. */
  readonly secrets?: readonly string[]
}

interface Running {
  readonly version: string
  readonly content: Content
}

type Response = envoy.service.discovery.v3.DeltaDiscoveryResponse

export interface Temper {
  /** NACKs name the culprit. */
  readonly outspoken: boolean
  /** Good resources of a refused response are applied all the same. */
  readonly partial: boolean
}

export class SimulatedEnvoy {
  readonly running: Record<XdsType, Map<string, Running>> = {
    cluster: new Map(),
    endpoint: new Map(),
    secret: new Map(),
    listener: new Map(),
  }
  /** Clusters that wait for a load assignment before they take over from what `running` holds. */
  readonly warming = new Map<string, Running>()
  readonly received: { readonly type: XdsType; readonly names: readonly string[]; readonly removed: readonly string[] }[] = []
  /** While set, nothing that runs may be taken away. */
  recovering = false
  /** What it reported at its last connection and did not ask for again: in recovery replaced only where `mayChange` says so. */
  #kept: Record<XdsType, Set<string>> = { cluster: new Set(), endpoint: new Set(), secret: new Set(), listener: new Set() }
  mayChange: (type: XdsType) => boolean = () => false
  /** Listeners that may name clusters which are not there yet. */
  readonly excused = new Set<string>()
  readonly #names: Record<'endpoint' | 'secret', Set<string>> = { endpoint: new Set(), secret: new Set() }
  readonly #temper: Temper
  #inbox: Buffer[] = []
  #outbox: DeltaRequest[] = []
  #heldAcks: DeltaRequest[] = []

  constructor(temper: Temper) {
    this.#temper = temper
  }

  /** Opens a stream: everything on its way is lost, everything that runs is reported. */
  connect(): void {
    this.#inbox = []
    this.#outbox = []
    this.#heldAcks = []
    // Envoy falls back to the load assignments it has when a warming cluster times out
    for (const name of this.warming.keys()) this.#activate(name)
    for (const type of ['cluster', 'endpoint', 'secret', 'listener'] as const) {
      this.#kept[type] = new Set()
      const names = type === 'endpoint' || type === 'secret' ? [...this.#names[type]] : []
      if ((type === 'endpoint' || type === 'secret') && names.length === 0) continue
      const versions = new Map([...this.running[type]].map(([name, running]) => [name, running.version]))
      for (const name of versions.keys()) this.#kept[type].add(name)
      this.#outbox.push(request(type, { subscribe: names, initialVersions: versions }))
    }
  }

  /** Whether it reported anything at its last connection. */
  get resumed(): boolean {
    return Object.values(this.#kept).some((names) => names.size > 0)
  }

  deliver(response: Buffer): void {
    this.#inbox.push(response)
  }

  get idle(): boolean {
    return this.#inbox.length === 0 && this.#outbox.length === 0
  }

  /** The next request on its way to the server. */
  nextRequest(): DeltaRequest | undefined {
    return this.#outbox.shift()
  }

  /** Processes one response. */
  processNext(): void {
    const bytes = this.#inbox.shift()
    if (bytes === undefined) return
    const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').decode(bytes)
    const type = xdsTypeOf(response.typeUrl ?? '')
    assert.ok(type)
    const updates = resourcesOf(response)
    const removed = response.removedResources ?? []
    this.received.push({ type, names: [...updates.keys()], removed })
    // a cluster comes with its load assignment, whether the proxy takes it or not
    if (type === 'cluster') for (const { content } of updates.values()) this.#kept.endpoint.delete(content.endpoints ?? '')
    const culprits = [...updates].filter(([, { content }]) => content.poison === true).map(([name]) => name)
    for (const name of removed) this.#remove(type, name)
    if (culprits.length === 0 || this.#temper.partial) {
      for (const [name, running] of updates) if (running.content.poison !== true) this.#apply(type, name, running)
    }
    const error =
      culprits.length === 0
        ? undefined
        : this.#temper.outspoken
          ? `Error adding: ${culprits.map((c) => `${c}: bad`).join(', ')}`
          : 'bad response'
    const answer = request(type, { responseNonce: response.nonce ?? '', error })
    // Envoy answers no cluster response while a cluster warms
    if (type === 'cluster') this.#heldAcks.push(answer)
    else this.#outbox.push(answer)
    if (this.warming.size === 0) this.#outbox.push(...this.#heldAcks.splice(0))
  }

  #apply(type: XdsType, name: string, running: Running): void {
    const isKept = this.recovering && this.#kept[type].has(name) && !this.mayChange(type)
    assert.ok(!isKept || this.running[type].get(name)?.version === running.version, `${type} ${name} is replaced in recovery`)
    const current = (type === 'cluster' ? this.warming.get(name) : undefined) ?? this.running[type].get(name)
    if (type === 'listener') {
      for (const cluster of running.content.clusters ?? []) {
        const known = this.running.cluster.has(cluster) || this.warming.has(cluster)
        assert.ok(known || this.excused.has(name), `listener ${name} names cluster ${cluster}, which the proxy lacks`)
      }
    }
    if (type === 'endpoint' || type === 'secret') {
      assert.ok(this.#names[type].has(name) || current === undefined)
      if (!this.#names[type].has(name)) return
    }
    if (type === 'cluster' && running.content.endpoints !== undefined) {
      if (current?.version === running.version) return
      this.warming.set(name, running)
      this.#ask('endpoint', [running.content.endpoints])
    } else this.running[type].set(name, running)
    if (type === 'endpoint') {
      for (const [cluster, { content }] of this.warming) if (content.endpoints === name) this.#activate(cluster)
    }
    if (type === 'cluster' || type === 'listener') this.#ask('secret', running.content.secrets ?? [])
  }

  #activate(cluster: string): void {
    const warmed = this.warming.get(cluster)
    if (warmed !== undefined) this.running.cluster.set(cluster, warmed)
    this.warming.delete(cluster)
    this.#dropUnused()
  }

  #remove(type: XdsType, name: string): void {
    assert.ok(!this.recovering || !this.running[type].has(name), `${type} ${name} is removed in recovery`)
    if (type === 'cluster') {
      for (const [listener, { content }] of this.running.listener) {
        assert.ok(!(content.clusters ?? []).includes(name), `cluster ${name} is removed while listener ${listener} names it`)
      }
      this.warming.delete(name)
    }
    if (type === 'endpoint' && this.running.endpoint.has(name)) {
      for (const [cluster, { content }] of this.running.cluster) {
        assert.ok(content.endpoints !== name, `load assignment ${name} is removed while cluster ${cluster} uses it`)
      }
    }
    this.running[type].delete(name)
    if (type === 'endpoint') {
      for (const [cluster, { content }] of this.warming) if (content.endpoints === name) this.#activate(cluster)
    }
    this.#dropUnused()
  }

  #ask(type: 'endpoint' | 'secret', names: readonly string[]): void {
    const fresh = names.filter((name) => !this.#names[type].has(name))
    for (const name of fresh) {
      this.#names[type].add(name)
      this.#kept[type].delete(name)
    }
    if (fresh.length > 0) this.#outbox.push(request(type, { subscribe: fresh }))
  }

  #dropUnused(): void {
    const clusters = [...this.running.cluster.values(), ...this.warming.values()]
    const used = {
      endpoint: new Set(clusters.flatMap(({ content }) => (content.endpoints === undefined ? [] : [content.endpoints]))),
      secret: new Set([...clusters, ...this.running.listener.values()].flatMap(({ content }) => content.secrets ?? [])),
    }
    for (const type of ['endpoint', 'secret'] as const) {
      const gone = [...this.#names[type]].filter((name) => !used[type].has(name))
      for (const name of gone) {
        this.#names[type].delete(name)
        this.running[type].delete(name)
      }
      if (gone.length > 0) this.#outbox.push(request(type, { unsubscribe: gone }))
    }
  }
}

/** A request with everything but `parts` empty. */
export function request(type: XdsType, parts: Partial<DeltaRequest>): DeltaRequest {
  return {
    typeUrl: typeUrls[type],
    subscribe: [],
    unsubscribe: [],
    initialVersions: new Map(),
    responseNonce: '',
    error: undefined,
    node: undefined,
    ...parts,
  }
}

function resourcesOf(response: Response): ReadonlyMap<string, Running> {
  const decoder = new TextDecoder()
  return new Map(
    (response.resources ?? []).map((resource) => [
      resource.name ?? '',
      // the test encoded it
      { version: resource.version ?? '', content: JSON.parse(decoder.decode(resource.resource?.value)) as Content },
    ]),
  )
}
