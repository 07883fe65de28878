// The graph: sources are written in transactions, everything above follows synchronously in one pass before the sinks run. Sinks see net changes
// only; a transaction started by a sink runs right after the present one.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { Collection, CommitInfo, Equal, Index, Source } from './contract.ts'
import { DerivationNode, type DeriveFunction } from './derivation-node.ts'
import type { DerivationShape } from './input-driven-node.ts'
import { type GraphDump, describeNode, drawMermaid } from './dump.ts'
import { GroupNode } from './group-node.ts'
import { IndexNode } from './index-node.ts'
import { MapNode, type MapFunction } from './map-node.ts'
import { CollectionNode, type GraphNode, collectionNode, graphNode } from './nodes.ts'
import { SourceNode } from './source-node.ts'
import { structuralEqual } from './structural-equal.ts'
import { UnionNode } from './union-node.ts'

export interface GraphOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly log: Logger
  readonly metrics?: Metrics
  /** Commits that take longer are logged as warnings. Default 50. */
  readonly slowCommitMs?: number
}

export interface SourceOptions<V> {
  /** Structural equality by default. */
  readonly equal?: Equal<V>
  /** True: derivations do not run before `graph.ready(source)`. */
  readonly awaitInitial?: boolean
}

export interface DerivationOptions<I, V> {
  readonly name: string
  readonly from: Collection<I>
  /** Everything else the function may read. */
  readonly reads?: readonly (Collection<unknown> | Index<unknown>)[]
  /** Structural equality by default. Must imply that consumers cannot tell the values apart. */
  readonly equal?: Equal<V>
}

/** One failing input key of one node. */
export interface GraphError {
  readonly derivation: string
  readonly key: string
  readonly message: string
}

export interface Graph {
  source<V>(name: string, options?: SourceOptions<V>): Source<V>
  /** One input key to any number of outputs. The function must be pure: no I/O, clock, randomness or writes. */
  derive<I, V>(options: DerivationOptions<I, V>, run: DeriveFunction<I, V>): Collection<V>
  /** One input key to at most one output under the same key. */
  map<I, V>(options: DerivationOptions<I, V>, run: MapFunction<I, V>): Collection<V>
  index<V>(name: string, collection: Collection<V>, keysOf: (value: V, key: string) => readonly string[]): Index<V>
  /** Members by computed group keys, as a collection: a group exists while it has a member. Members are sorted by their key. */
  group<V>(name: string, collection: Collection<V>, groupsOf: (value: V, key: string) => readonly string[]): Collection<readonly V[]>
  /** Ordered: the first collection that holds a key wins. */
  union<V>(name: string, parts: readonly Collection<V>[]): Collection<V>
  /**
   * Runs `fn`, in which sources may be written, then the pass and the sinks. Inside another transaction it joins that one; inside a sink it is
   * queued and runs right after. If `fn` throws, its writes are taken back and the error is passed on (logged when it was queued).
   */
  transact(reason: string, fn: () => void): void
  /** Says that a source made with `awaitInitial` has its first content. */
  ready(source: Source<never> | Collection<unknown>): void
  /** Lets derivations run, now or as soon as every awaited source is ready. Until then transactions only fill sources. */
  start(): void
  readonly started: boolean
  errors(): readonly GraphError[]
  /** Recomputes everything without storing and names what differs. Slow; for tests and background audits. */
  audit(): readonly GraphError[]
  dump(): GraphDump
  /** The values of one collection by key, as they are now; undefined when no collection has that name. For people, never for derivations. */
  values(name: string): ReadonlyMap<string, unknown> | undefined
  mermaid(): string
}

/** An empty graph that has not started. */
export function createGraph(options: GraphOptions): Graph {
  return new IncrementalGraph(options)
}

class IncrementalGraph implements Graph {
  readonly #options: GraphOptions
  readonly #nodes: GraphNode[] = []
  readonly #sources: Pick<SourceNode<unknown>, 'rollBack' | 'acceptQuietly' | 'seed'>[] = []
  readonly #collections: CollectionNode<unknown>[] = []
  readonly #names = new Set<string>()
  readonly #awaited = new Set<unknown>()
  readonly #queued: { reason: string; fn: () => void }[] = []
  readonly #observe: (seconds: number) => void
  #phase: 'idle' | 'writing' | 'committing' = 'idle'
  #startAsked = false
  #started = false
  #commits = 0
  #failures: { derivation: string; key: string; message: string; count: number }[] = []

  constructor(options: GraphOptions) {
    this.#options = options
    const histogram = options.metrics?.histogram('graph_commit_duration_seconds', 'Time of one graph transaction without its sinks.')
    this.#observe = (seconds) => histogram?.observe(seconds)
    options.metrics?.gauge(
      'graph_failing_keys_count',
      'Input keys of derivations that keep their last output because of an error.',
      [],
      () => this.errors().length,
    )
  }

  get started(): boolean {
    return this.#started
  }

  source<V>(name: string, options: SourceOptions<V> = {}): Source<V> {
    const node = new SourceNode<V>(name, options.equal ?? structuralEqual, () => this.#phase === 'writing')
    this.#add(node)
    this.#sources.push(node)
    if (options.awaitInitial && !this.#started) this.#awaited.add(node)
    return node
  }

  derive<I, V>(options: DerivationOptions<I, V>, run: DeriveFunction<I, V>): Collection<V> {
    return this.#add(new DerivationNode<I, V>(this.#shape(options), run))
  }

  map<I, V>(options: DerivationOptions<I, V>, run: MapFunction<I, V>): Collection<V> {
    return this.#add(new MapNode<I, V>(this.#shape(options), run))
  }

  index<V>(name: string, collection: Collection<V>, keysOf: (value: V, key: string) => readonly string[]): Index<V> {
    return this.#add(new IndexNode<V>(name, collectionNode(collection), keysOf))
  }

  group<V>(name: string, collection: Collection<V>, groupsOf: (value: V, key: string) => readonly string[]): Collection<readonly V[]> {
    return this.#add(new GroupNode<V>(name, collectionNode(collection), groupsOf))
  }

  union<V>(name: string, parts: readonly Collection<V>[]): Collection<V> {
    return this.#add(new UnionNode<V>(name, parts.map(collectionNode)))
  }

  transact(reason: string, fn: () => void): void {
    if (this.#phase === 'writing') {
      fn()
      return
    }
    if (this.#phase === 'committing') {
      this.#queued.push({ reason, fn })
      return
    }
    try {
      this.#write(reason, fn)
    } finally {
      this.#drain()
    }
  }

  ready(source: Source<never> | Collection<unknown>): void {
    this.#awaited.delete(source)
    this.#open()
  }

  start(): void {
    this.#startAsked = true
    this.#open()
  }

  errors(): readonly GraphError[] {
    return this.#nodes.flatMap((node) => [...node.errors()].map((error) => ({ derivation: node.name, ...error })))
  }

  audit(): readonly GraphError[] {
    return this.#nodes.flatMap((node) =>
      node.audit().map((key) => ({ derivation: node.name, key, message: 'differs from a fresh computation' })),
    )
  }

  dump(): GraphDump {
    return { started: this.#started, commits: this.#commits, nodes: this.#nodes.map(describeNode) }
  }

  values(name: string): ReadonlyMap<string, unknown> | undefined {
    const found = this.#collections.find((node) => node.name === name)
    return found && new Map(found.entries())
  }

  mermaid(): string {
    return drawMermaid(this.dump())
  }

  #write(reason: string, fn: () => void): void {
    this.#phase = 'writing'
    try {
      fn()
    } catch (error) {
      for (const source of this.#sources) source.rollBack()
      this.#phase = 'idle'
      throw error
    }
    if (this.#started) this.#commit(reason)
    else for (const source of this.#sources) source.acceptQuietly()
    this.#phase = 'idle'
  }

  #drain(): void {
    for (let next = this.#queued.shift(); next; next = this.#queued.shift()) {
      try {
        this.#write(next.reason, next.fn)
      } catch (error) {
        this.#options.log.error({ reason: next.reason, err: messageOf(error) }, 'queued graph transaction failed')
      }
    }
  }

  #commit(reason: string): void {
    this.#phase = 'committing'
    const { clock, log } = this.#options
    const begin = clock.monotonic()
    for (const node of this.#nodes) node.propagate()
    const ms = clock.monotonic() - begin
    this.#observe(ms / 1000)
    if (ms > (this.#options.slowCommitMs ?? 50)) log.warn({ ms: Math.round(ms), reason }, 'slow graph commit')
    for (const failure of this.#failures.splice(0)) log.warn(failure, 'derivation keeps its last output')
    const info: CommitInfo = { id: ++this.#commits, reason }
    const deliveries: (() => void)[] = []
    for (const node of this.#collections) {
      const calls = node.takeDeliveries(info)
      if (calls) deliveries.push(...calls)
    }
    for (const deliver of deliveries) {
      try {
        deliver()
      } catch (error) {
        log.error({ reason, err: messageOf(error) }, 'graph sink failed')
      }
    }
  }

  #open(): void {
    if (this.#started || !this.#startAsked || this.#awaited.size > 0) return
    if (this.#phase !== 'idle') throw new Error('a graph cannot start inside a transaction')
    this.#started = true
    for (const source of this.#sources) source.seed()
    this.#commit('start')
    this.#phase = 'idle'
    this.#drain()
  }

  #add<N extends GraphNode>(node: N): N {
    if (this.#phase !== 'idle') throw new Error(`a node cannot be made inside a transaction: ${node.name}`)
    if (this.#names.has(node.name)) throw new Error(`two graph nodes have the name ${node.name}`)
    this.#names.add(node.name)
    this.#nodes.push(node)
    if (node instanceof CollectionNode) this.#collections.push(node)
    if (this.#started) {
      node.seed()
      this.#commit('construct')
      this.#phase = 'idle'
      this.#drain()
    }
    return node
  }

  #shape<I, V>(options: DerivationOptions<I, V>): DerivationShape<I, V> {
    return {
      name: options.name,
      from: collectionNode(options.from),
      reads: (options.reads ?? []).map(graphNode),
      equal: options.equal ?? structuralEqual,
      onFailure: (key, message) => this.#noteFailure(options.name, key, message),
    }
  }

  /** One log line for each derivation and commit, however many keys fail. */
  #noteFailure(derivation: string, key: string, message: string): void {
    const noted = this.#failures.find((failure) => failure.derivation === derivation)
    if (noted) noted.count++
    else this.#failures.push({ derivation, key, message, count: 1 })
  }
}
