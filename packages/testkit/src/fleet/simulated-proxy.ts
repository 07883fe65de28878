// An Envoy as its zone sees it: delta ADS over TLS, subscriptions that follow what it holds, responses ACKed unless told otherwise, no traffic.
// What it holds outlives a lost stream; the next stream resumes with the versions held.
import { messageOf } from '@weft/foundation/errors'
import { type Clock, systemClock, type Timer } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import { type DeltaResponse, encodeAnswer, encodeRequest, type HeldResource, readResponse } from './delta-messages.ts'
import { type NamedType, namedTypes, type SimulatedType, simulatedTypes, simulatedTypeUrls } from './envoy-resource.ts'
import { type GrpcCall, openGrpcCall } from './grpc-call.ts'

/** How a proxy names itself in its first request. `metadata` is JSON. */
export interface ProxyNode {
  readonly id: string
  readonly cluster: string
  readonly metadata: Readonly<Record<string, unknown>>
}

export interface SimulatedProxyOptions {
  /** `host:port` of the dataplane server. */
  readonly address: string
  readonly token: string
  readonly node: ProxyNode
  /** Clusters that must be there, with a preferred endpoint and a listener of the same name, before the proxy is complete. */
  readonly backends?: readonly string[]
  /** Called after each response was applied and acknowledged, refused, or left unanswered. */
  readonly onResponse?: (proxy: SimulatedProxy, response: ReceivedResponse) => void
  /** What it says of a resource that it does not take: the response is answered with a NACK, and what it had of that name stays. */
  readonly refuses?: (type: SimulatedType, resource: Uint8Array) => string | undefined
  readonly clock?: Clock
  /** Jitter of the back-off, in [0, 1). */
  readonly random?: () => number
}

export interface ReceivedResponse {
  readonly type: SimulatedType
  /** Monotonic ms of the proxy's clock when the acknowledgement was sent. */
  readonly at: number
  readonly resources: ReadonlyMap<string, HeldResource>
  readonly removed: readonly string[]
  /** Payload, names and versions of all resources. */
  readonly bytes: number
  /** True when a resource could not be read or was not taken, and the response was answered with a NACK. */
  readonly isRefused: boolean
}

interface Subscription {
  wanted: ReadonlySet<string>
  /** Asked for on the current stream. */
  started: boolean
  /** Answered on the current stream. */
  answered: boolean
}

const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
const firstPauseMs = 500
const longestPauseMs = 30_000

/** A proxy with one stream at a time. Lost streams are tried again with Envoy's back-off: full jitter, 0.5 s doubling up to 30 s. */
export class SimulatedProxy {
  readonly held: Readonly<Record<SimulatedType, Map<string, HeldResource>>> = {
    cluster: new Map(),
    endpoint: new Map(),
    secret: new Map(),
    listener: new Map(),
    route: new Map(),
  }
  /** True from the first response of a stream to its end. */
  isConnected = false
  /** Monotonic ms when every type was answered on this stream and nothing a held resource names was missing; else undefined. */
  readyAt: number | undefined
  /** Monotonic ms when it was ready and held all its backends; else undefined. */
  completeAt: number | undefined
  /** Streams lost after their first response. */
  disconnects = 0
  lastError = ''
  readonly #options: SimulatedProxyOptions
  readonly #clock: Clock
  #subscriptions = freshSubscriptions()
  #call: GrpcCall | undefined
  #retry: Timer | undefined
  #pauseMs = firstPauseMs
  /** Answers that it keeps to itself; undefined while it answers. */
  #kept: Uint8Array[] | undefined

  constructor(options: SimulatedProxyOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get nodeId(): string {
    return this.#options.node.id
  }

  /** What it does about its stream: nothing, waiting to try again, opening a connection, waiting for the first response, or following. */
  get streamState(): 'closed' | 'waiting' | 'connecting' | 'asking' | 'following' {
    if (this.isConnected) return 'following'
    if (this.#call) return this.#call.isConnected() ? 'asking' : 'connecting'
    return this.#retry ? 'waiting' : 'closed'
  }

  /** Names it is subscribed to. */
  wanted(type: NamedType): ReadonlySet<string> {
    return this.#subscriptions[type].wanted
  }

  /** Opens a stream, unless one is open. */
  connect(): void {
    if (this.#call) return
    this.#retry?.cancel()
    this.#retry = undefined
    const again = simulatedTypes.filter((type) => this.#subscriptions[type].started)
    this.#subscriptions = freshSubscriptions(this.#subscriptions)
    const call = openGrpcCall({
      address: this.#options.address,
      path,
      headers: { authorization: this.#options.token },
      onMessage: (message) => this.#receive(message),
      onEnd: (reason) => this.#ended(reason),
    })
    this.#call = call
    // the request for clusters is the first of all and names the node; after a lost stream Envoy asks at once for all it had
    for (const type of simulatedTypes) if (type === 'cluster' || again.includes(type)) this.#subscribe(type)
  }

  /** Cancels the stream and ends its connection, as a stopping Envoy does. It can connect again. */
  close(): void {
    this.#retry?.cancel()
    this.#retry = undefined
    const call = this.#call
    this.#call = undefined
    call?.close()
    this.#forgetStream()
  }

  /** From now on it takes what comes and answers nothing, until `answer`. */
  keepSilent(): void {
    this.#kept ??= []
  }

  /** Answers what it left unanswered on this stream, and everything from now on. */
  answer(): void {
    const kept = this.#kept ?? []
    this.#kept = undefined
    for (const each of kept) this.#send(each)
  }

  #ended(reason: string): void {
    this.#call = undefined
    this.lastError = reason
    if (this.isConnected) {
      this.disconnects++
      this.#pauseMs = firstPauseMs
    }
    this.#forgetStream()
    const pause = (this.#options.random ?? Math.random)() * this.#pauseMs
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs)
    this.#retry = this.#clock.after(pause, () => this.connect())
  }

  #forgetStream(): void {
    this.isConnected = false
    this.readyAt = undefined
    this.completeAt = undefined
    if (this.#kept) this.#kept = []
  }

  #answerWith(answer: Uint8Array): void {
    if (this.#kept) this.#kept.push(answer)
    else this.#send(answer)
  }

  #send(request: Uint8Array): void {
    this.#call?.send(request)
  }

  #subscribe(type: SimulatedType): void {
    const subscription = this.#subscriptions[type]
    subscription.started = true
    const versions: Record<string, string> = Object.create(null)
    for (const [name, item] of this.held[type]) versions[name] = item.version
    const { id, cluster, metadata } = this.#options.node
    this.#send(
      encodeRequest({
        ...(type === 'cluster' && {
          node: { id, cluster, metadata: codec('google.protobuf.Struct').fromJson(metadata), userAgentName: 'envoy' },
        }),
        typeUrl: simulatedTypeUrls[type],
        resourceNamesSubscribe: [...subscription.wanted],
        initialResourceVersions: versions,
      }),
    )
  }

  /** Makes the subscription of a named type equal to `names`. */
  #want(type: NamedType, names: ReadonlySet<string>): void {
    const subscription = this.#subscriptions[type]
    const more = [...names].filter((name) => !subscription.wanted.has(name))
    const less = [...subscription.wanted].filter((name) => !names.has(name))
    subscription.wanted = names
    for (const name of less) this.held[type].delete(name)
    if (more.length + less.length === 0) return
    if (subscription.started) {
      const change = { typeUrl: simulatedTypeUrls[type], resourceNamesSubscribe: more, resourceNamesUnsubscribe: less }
      this.#send(encodeRequest(change))
    } else this.#subscribe(type)
  }

  #receive(message: Buffer): void {
    let response: DeltaResponse
    try {
      response = readResponse(message)
    } catch (error) {
      // not even a response: Envoy resets such a stream
      this.#call?.close()
      this.#ended(messageOf(error))
      return
    }
    const { type, typeUrl, nonce, removed } = response
    if (!type) {
      this.#answerWith(encodeAnswer(typeUrl, nonce))
      return
    }
    const held = this.held[type]
    const resources = new Map<string, HeldResource>()
    let bytes = 0
    let problem: string | undefined
    const mayRefer = type === 'cluster' || type === 'listener'
    let isReferenceChanged = false
    for (const resource of response.resources) {
      const { name } = resource
      const item = this.#options.refuses?.(type, resource.value) ?? resource.read
      if (typeof item === 'string') {
        problem ??= `${name}: ${item}`
        continue
      }
      bytes += resource.bytes
      resources.set(name, item)
      if (mayRefer) isReferenceChanged ||= !haveSameReferences(held.get(name), item)
      held.set(name, item)
    }
    for (const name of removed) isReferenceChanged = held.delete(name) || isReferenceChanged
    this.isConnected = true
    this.#subscriptions[type].answered = true
    this.#answerWith(encodeAnswer(typeUrl, nonce, problem))
    const at = this.#clock.monotonic()
    if (mayRefer && isReferenceChanged) this.#wantAllReferences()
    this.#follow()
    this.#options.onResponse?.(this, { type, at, resources, removed, bytes, isRefused: problem !== undefined })
  }

  /** Asks for listeners once the clusters are warm, and notes how far it is. */
  #follow(): void {
    if (this.completeAt !== undefined) return
    const { cluster, listener } = this.#subscriptions
    const isWarm = cluster.answered && this.#hasAll('endpoint') && this.#hasAll('secret')
    if (isWarm && !listener.started) this.#subscribe('listener')
    if (isWarm && listener.answered && this.#hasAll('route')) this.readyAt ??= this.#clock.monotonic()
    if (this.readyAt !== undefined && (this.#options.backends ?? []).every((name) => this.#serves(name)))
      this.completeAt ??= this.#clock.monotonic()
  }

  /** Asks for what the clusters and listeners held refer to. */
  #wantAllReferences(): void {
    const names: Record<NamedType, Set<string>> = { endpoint: new Set(), secret: new Set(), route: new Set() }
    for (const type of ['cluster', 'listener'] as const)
      for (const { references } of this.held[type].values())
        for (const to of namedTypes) for (const name of references[to]) names[to].add(name)
    for (const type of namedTypes) this.#want(type, names[type])
  }

  #hasAll(type: NamedType): boolean {
    for (const name of this.#subscriptions[type].wanted) if (!this.held[type].has(name)) return false
    return true
  }

  #serves(backend: string): boolean {
    return (this.held.endpoint.get(backend)?.preferredEndpoints ?? 0) > 0 && this.held.listener.has(backend)
  }
}

function haveSameReferences(before: HeldResource | undefined, after: HeldResource): boolean {
  if (before === undefined) return false
  if (before.references === after.references) return true
  for (const type of namedTypes) {
    const [old, now] = [before.references[type], after.references[type]]
    if (old.length !== now.length || old.some((name, at) => name !== now[at])) return false
  }
  return true
}

function freshSubscriptions(before?: Readonly<Record<SimulatedType, Subscription>>): Record<SimulatedType, Subscription> {
  const fresh = (type: SimulatedType): Subscription => ({ wanted: before?.[type].wanted ?? new Set(), started: false, answered: false })
  return {
    cluster: fresh('cluster'),
    endpoint: fresh('endpoint'),
    secret: fresh('secret'),
    listener: fresh('listener'),
    route: fresh('route'),
  }
}
