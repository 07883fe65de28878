// The life of a proxy from its first authenticated message to its removal (contract/dataplane.md section 6.4, architecture.md section 7).
// Invariants: one live stream per proxy; a Dataplane goes only when its proxy closed its stream and stayed away, and nobody else serves it;
// a control plane that stops removes nobody.
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { ProxyMetadata } from '@weft/facts'
import { labelKeys, nameKey, type Resource, type ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { createDepartures } from './departures.ts'
import { isServedElsewhere, registrationOf } from './registration.ts'
import type { ProxyHello } from './node-metadata.ts'
import type { DataplaneServerSettings } from './settings.ts'
import { createSharedDeadline } from './shared-deadline.ts'
import type { EndpointState, ProxySinks } from './sinks.ts'

/** How a stream ended. `closed`: by the proxy; `lost`: it broke; `stopped`: this control plane ends; `refused`: it was never served. */
export type StreamEnd = 'closed' | 'lost' | 'stopped' | 'refused'

export interface Registration {
  readonly key: string
  /** To be called once, when the stream is over. */
  ended(how: StreamEnd): void
}

export interface ProxyLifecycle {
  /**
   * Takes the proxy's place and stores its Dataplane. Authentication must have succeeded.
   * Errors: xds/duplicate-stream while another stream of the proxy lives; xds/unauthenticated when it brings no Dataplane and none is
   * stored; store/...
   */
  register(hello: ProxyHello): Promise<Registration>
  /**
   * What a proxy reports of its own readiness, on a stream that may be older or younger than that of its configuration; undefined: it no
   * longer reports, and what it said last holds until it connects anew.
   */
  reportDraining(key: string, isDraining: boolean | undefined): void
  /** True while a stream of the proxy lives here. */
  isConnected(key: string): boolean
  /** Metadata of a proxy that is connected or may still return. */
  metadata(key: string): ProxyMetadata | undefined
  readonly connected: number
  /** Another replica serves the proxy now: what this one still meant to do about it is that one's. A stream that lives here just ends. */
  moved(key: string): void
  /** The replica that served the proxy is dead and it came to no other: from now on it is lost. Does nothing for one that is known here. */
  adopt(key: string, registered: { readonly ownsDataplane: boolean }): void
  start(): void
  /** From now on nothing is removed. */
  stop(): void
}

export interface ProxyLifecycleOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly settings: Pick<DataplaneServerSettings, 'zone' | 'federated' | 'environment' | 'instanceId' | 'deregistrationDelayMs'>
  readonly sinks: ProxySinks
  /**
   * True when a destination would be left without an endpoint of a proxy for which `isLive` holds if this one's went. Default: when no other
   * proxy of its workload is connected.
   */
  readonly isLastEndpoint?: (proxyKey: string, isLive: (proxyKey: string) => boolean) => boolean
  /** True when another replica has a live stream of the proxy. Default: there is none. */
  readonly isLiveElsewhere?: (proxyKey: string) => boolean
}

export const duplicateStreamMessage = 'there is already an active stream from this node, try again later'
/** A lost proxy's Dataplane goes after this, unless its endpoints are the last ones of a destination. */
const lostRetentionMs = 300_000
/** After a start the proxies of before have this long to come back: Envoy waits up to 30 s between two attempts. */
const returnGraceMs = 60_000
const retryMs = 1000

interface Proxy {
  readonly key: string
  readonly mesh: string
  readonly name: string
  isLive: boolean
  ownsDataplane: boolean
  /** It is live elsewhere too, and what it does there counts. */
  hasMoved: boolean
  metadata: ProxyMetadata | undefined
  left: 'closed' | 'lost' | undefined
  state: EndpointState
  timer: Timer | undefined
}

const unknownProxy = {
  isLive: false,
  ownsDataplane: false,
  hasMoved: false,
  metadata: undefined,
  left: undefined,
  state: {},
  timer: undefined,
} as const

export function createProxyLifecycle(options: ProxyLifecycleOptions): ProxyLifecycle {
  const { store, clock, log, settings, sinks } = options
  const proxies = new Map<string, Proxy>()
  const departures = createDepartures<Proxy>()
  const drainingReports = new Set<string>()
  /** Degraded because they did not come back after the start. */
  const returning = new Set<string>()
  let live = 0
  let isStopped = false
  let unwatch: (() => void) | undefined
  let awaiting: Timer | undefined

  const setState = (proxy: Proxy, state: EndpointState): void => {
    if (proxy.state.draining === state.draining && proxy.state.degraded === state.degraded) return
    proxy.state = state
    if (state.draining || state.degraded) sinks.endpointStates.set(proxy.key, state)
    else sinks.endpointStates.delete(proxy.key)
  }
  const after = (proxy: Proxy, ms: number, run: () => void): void => {
    proxy.timer?.cancel()
    proxy.timer = clock.after(ms, () => {
      proxy.timer = undefined
      if (!isStopped && !proxy.isLive) run()
    })
  }
  const degrade = (proxy: Proxy): void => setState(proxy, { ...proxy.state, degraded: true })

  const forget = (proxy: Proxy): void => {
    proxy.timer?.cancel()
    departures.forget(proxy)
    proxies.delete(proxy.key)
    sinks.proxies.delete(proxy.key)
    sinks.endpointStates.delete(proxy.key)
    sinks.tlsAccepting.delete(proxy.key)
  }

  /** Its endpoints are another replica's business. */
  const release = (proxy: Proxy): void => {
    proxy.timer?.cancel()
    departures.forget(proxy)
    proxies.delete(proxy.key)
    sinks.proxies.delete(proxy.key)
  }

  const remove = async (proxy: Proxy): Promise<void> => {
    const key = dataplaneKey(proxy)
    const stored = store.get(key)
    if (stored && proxy.ownsDataplane && !isServedElsewhere(store, proxy, settings.instanceId)) {
      try {
        await store.transact([{ op: 'delete', key, expect: stored.version }], { actor: 'proxy', reason: 'proxy left', class: 'observed' })
        log.info({ mesh: proxy.mesh, proxy: proxy.name }, 'dataplane deregistered')
      } catch (error) {
        if (!hasCode(error, 'store/not-found')) {
          if (!hasCode(error, 'store/conflict'))
            log.warn({ proxy: proxy.key, err: messageOf(error) }, 'dataplane could not be deregistered')
          after(proxy, retryMs, () => void remove(proxy))
          return
        }
      }
    }
    // without a Dataplane of its own the endpoints belong to someone else, who decides when they go
    if (!proxy.isLive && proxies.get(proxy.key) === proxy) {
      if (proxy.ownsDataplane || !store.get(key)) forget(proxy)
      else sinks.proxies.delete(proxy.key)
    }
  }

  /** Lost: it may be running and only unreachable from here, so that its Dataplane stays as long as it may be the last of its kind. */
  const expireLost = (proxy: Proxy): void => {
    if (!isLastEndpoint(proxy)) void remove(proxy)
    else after(proxy, lostRetentionMs, () => expireLost(proxy))
  }
  const isLive = (key: string): boolean => proxies.get(key)?.isLive === true || options.isLiveElsewhere?.(key) === true
  const isLastEndpoint = (proxy: Proxy): boolean => {
    if (options.isLastEndpoint) return options.isLastEndpoint(proxy.key, isLive)
    const workload = workloadOf(store.get(dataplaneKey(proxy)))
    return !store.list('Dataplane', proxy.mesh).some((each) => workloadOf(each) === workload && isLive(nameKey(each)))
  }

  // streams that break together are many
  const losses = createSharedDeadline(clock, settings.deregistrationDelayMs, (run) => sinks.together(run))
  const markLost = (proxy: Proxy): void => {
    if (proxy.left === 'lost') return
    proxy.left = 'lost'
    setState(proxy, proxy.state.draining ? { draining: true } : {})
    proxy.timer?.cancel()
    proxy.timer = losses.add(() => {
      proxy.timer = undefined
      if (isStopped || proxy.isLive) return
      degrade(proxy)
      after(proxy, lostRetentionMs, () => expireLost(proxy))
    })
  }
  const markClosed = (proxy: Proxy): void => {
    proxy.left = 'closed'
    degrade(proxy)
    after(proxy, settings.deregistrationDelayMs, () => void remove(proxy))
  }

  const ended = (proxy: Proxy, how: StreamEnd): void => {
    if (!proxy.isLive) return
    proxy.isLive = false
    live -= 1
    if (isStopped || how === 'stopped') return
    if (proxy.hasMoved) {
      release(proxy)
      return
    }
    log.info({ mesh: proxy.mesh, proxy: proxy.name, reason: how }, 'proxy disconnected')
    // who drained before leaves on purpose, however many do
    if (how !== 'lost' && proxy.state.draining) {
      markClosed(proxy)
      return
    }
    const together = departures.note(proxy, clock.monotonic(), live)
    if (how === 'lost' || together.length > 0) markLost(proxy)
    else markClosed(proxy)
    sinks.together(() => {
      for (const other of together) if (!other.isLive) markLost(other)
    })
  }

  /** Proxies of an earlier life of this control plane that stayed away: lost, as far as it can know. Their Dataplanes stay. */
  const degradeMissing = (): void => {
    for (const dataplane of store.list('Dataplane')) {
      const key = nameKey(dataplane)
      const isOurs = (dataplane.labels[labelKeys.zone] ?? settings.zone) === settings.zone
      // one that never had a proxy is someone else's business, and so is one that another process serves
      const insight = store.get({ type: 'DataplaneInsight', mesh: dataplane.mesh, name: dataplane.name })
      if (!isOurs || proxies.has(key) || !insight || isServedElsewhere(store, dataplane, settings.instanceId)) continue
      returning.add(key)
      sinks.endpointStates.set(key, { degraded: true })
    }
  }

  const claim = (hello: ProxyHello): Proxy => {
    let proxy = proxies.get(hello.key)
    if (proxy?.isLive) throw new AppError('xds/duplicate-stream', duplicateStreamMessage)
    if (!proxy) {
      proxy = { ...unknownProxy, key: hello.key, mesh: hello.mesh, name: hello.name, metadata: hello.metadata }
      proxies.set(hello.key, proxy)
    }
    proxy.isLive = true
    proxy.hasMoved = false
    live += 1
    proxy.timer?.cancel()
    return proxy
  }

  return {
    register: async (hello) => {
      const proxy = claim(hello)
      try {
        proxy.ownsDataplane = await storeDataplane(store, hello, settings)
      } catch (error) {
        proxy.isLive = false
        live -= 1
        if (proxy.left === undefined) proxies.delete(proxy.key)
        else if (proxy.left === 'closed' && !isStopped) markClosed(proxy)
        else if (!isStopped) after(proxy, lostRetentionMs, () => expireLost(proxy))
        throw error
      }
      departures.forget(proxy)
      proxy.left = undefined
      proxy.metadata = hello.metadata
      sinks.proxies.set(proxy.key, hello.metadata, { ownsDataplane: proxy.ownsDataplane })
      if (returning.delete(proxy.key)) sinks.endpointStates.delete(proxy.key)
      setState(proxy, drainingReports.has(proxy.key) ? { draining: true } : {})
      log.info({ mesh: proxy.mesh, proxy: proxy.name }, 'proxy connected')
      return { key: proxy.key, ended: (how) => ended(proxy, how) }
    },
    reportDraining: (key, isDraining) => {
      if (isDraining) drainingReports.add(key)
      else drainingReports.delete(key)
      if (isDraining === undefined) return
      const proxy = proxies.get(key)
      if (!proxy?.isLive || (proxy.state.draining ?? false) === isDraining) return
      log.info({ mesh: proxy.mesh, proxy: proxy.name, draining: isDraining }, 'proxy readiness changed')
      const { draining: _, ...rest } = proxy.state
      setState(proxy, isDraining ? { ...rest, draining: true } : rest)
    },
    isConnected: (key) => proxies.get(key)?.isLive === true,
    metadata: (key) => proxies.get(key)?.metadata,
    get connected() {
      return live
    },
    moved: (key) => {
      returning.delete(key)
      const proxy = proxies.get(key)
      if (proxy?.isLive) proxy.hasMoved = true
      else if (proxy) release(proxy)
    },
    adopt: (key, { ownsDataplane }) => {
      const [mesh = '', name = ''] = key.split('/')
      if (proxies.has(key) || isStopped || !store.get({ type: 'Dataplane', mesh, name })) return
      const proxy: Proxy = { ...unknownProxy, key, mesh, name, ownsDataplane, left: 'lost' }
      proxies.set(key, proxy)
      log.info({ mesh, proxy: name, reason: 'its replica is dead' }, 'proxy lost')
      degrade(proxy)
      after(proxy, lostRetentionMs, () => expireLost(proxy))
    },
    start: () => {
      awaiting = clock.after(returnGraceMs, () => sinks.together(degradeMissing))
      unwatch = store.watch(store.seq, (changes) => {
        for (const change of changes) {
          if (change.op !== 'delete' || change.key.type !== 'Dataplane') continue
          const { key } = change
          // not before every other watcher has seen the Dataplane go: without its state the endpoint would look healthy for a moment
          setImmediate(() => {
            const proxy = proxies.get(`${key.mesh}/${key.name}`)
            if (!store.get(key) && returning.delete(nameKey(key))) sinks.endpointStates.delete(nameKey(key))
            if (proxy && !proxy.isLive && !isStopped && !store.get(key)) forget(proxy)
          })
        }
      })
    },
    stop: () => {
      isStopped = true
      unwatch?.()
      awaiting?.cancel()
      losses.stop()
      for (const proxy of proxies.values()) proxy.timer?.cancel()
    },
  }
}

/** Stores the Dataplane the proxy brings; true when it brought one. A second try after someone else wrote in between. */
async function storeDataplane(store: Store, hello: ProxyHello, settings: ProxyLifecycleOptions['settings']): Promise<boolean> {
  const key = dataplaneKey(hello)
  if (!hello.document || settings.environment === 'kubernetes') {
    if (!store.get(key)) throw new AppError('xds/unauthenticated', `no Dataplane "${hello.name}" in mesh "${hello.mesh}"`)
    return false
  }
  for (let attempt = 1; ; attempt += 1) {
    const stored = store.get(key)
    try {
      const resource = registrationOf(hello.document, stored, settings)
      await store.transact([{ op: 'put', resource, expect: stored?.version ?? 'absent' }], {
        actor: 'proxy',
        reason: 'proxy connected',
        class: 'observed',
      })
      return true
    } catch (error) {
      const isRace = hasCode(error, 'store/conflict') || hasCode(error, 'store/already-exists')
      if (!isRace || attempt === 5) throw error
    }
  }
}

function dataplaneKey(proxy: { readonly mesh: string; readonly name: string }): ResourceKey {
  return { type: 'Dataplane', mesh: proxy.mesh, name: proxy.name }
}

function workloadOf(dataplane: Resource | undefined): string {
  return dataplane?.labels[labelKeys.workload] ?? ''
}
