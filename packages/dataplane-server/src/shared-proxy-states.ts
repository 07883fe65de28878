// What the replicas of one zone tell each other of the proxies they serve: who serves it, whether it drains or is lost, whether it accepts mTLS.
// One observed resource for each Dataplane that ever had a proxy, never sent anywhere. Invariant: of two replicas that say they serve a proxy
// the one that registered it later counts, known by a generation that each registration raises.
import { messageOf } from '@weft/foundation/errors'
import { field, textField } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { nameKey, type Resource, type ResourceKey } from '@weft/resources'
import type { Change, Store, StoreOp } from '@weft/store'
import type { EndpointState, ProxySinks } from './sinks.ts'

export interface SharedProxyStatesOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** This replica. */
  readonly instanceId: string
  /** Gets everything, of this replica's proxies and of the others'. */
  readonly facts: ProxySinks
  /** Another replica serves a proxy that was served here. */
  moved(proxyKey: string): void
  /** Whether another replica lives, as far as is known. */
  isLiving(instanceId: string): boolean
}

/** A proxy as its replica left it. */
export interface LeftProxy {
  readonly key: string
  readonly ownsDataplane: boolean
}

export interface SharedProxyStates {
  /** For what this replica notices. */
  readonly sinks: ProxySinks
  /** Replicas that the states name, this one too. */
  replicas(): ReadonlySet<string>
  /** Proxies that were last served by this replica. */
  servedBy(instanceId: string): readonly LeftProxy[]
  /** A replica that was held dead was not: what it serves counts as it says, whatever was made of it meanwhile. */
  returned(instanceId: string): void
  /** True when another living replica serves the proxy, and has not lost it. */
  isLiveElsewhere(proxyKey: string): boolean
  /** Takes over what the others have told so far, and follows them. */
  start(): void
  stop(): void
}

const type = 'ProxyState'
const batchSize = 200
const retryMs = 1000
const context = { actor: 'generator:proxy-states', reason: 'status', class: 'observed' } as const

interface State extends EndpointState {
  readonly replica: string
  readonly generation: number
  readonly ownsDataplane: boolean
  /** The MeshIdentity of the certificate. */
  readonly acceptsTls?: string
}

/** Nothing is followed before `start`. */
export function createSharedProxyStates(options: SharedProxyStatesOptions): SharedProxyStates {
  const { store, clock, log, instanceId, facts } = options
  const own = new Map<string, State>()
  const dirty = new Set<string>()
  let isScheduled = false
  let isStopped = false
  let writing: Promise<void> = Promise.resolve()
  let retry: Timer | undefined
  let unwatch = (): void => {}

  const stored = (key: string): State | undefined => stateOf(store.get(stateKey(key)))
  const publish = (key: string): void => {
    dirty.add(key)
    if (isScheduled || isStopped) return
    isScheduled = true
    // what is noticed in one turn goes together
    queueMicrotask(() => {
      isScheduled = false
      writing = writing.then(write)
    })
  }
  const change = (key: string, edit: (state: State) => State): void => {
    const state = own.get(key)
    if (!state) return
    own.set(key, edit(state))
    publish(key)
  }
  const operation = (key: string): StoreOp | undefined => {
    const [state, before, dataplane] = [own.get(key), stored(key), store.get({ ...stateKey(key), type: 'Dataplane' })]
    if (!dataplane) {
      const isOurs = before && (before.replica === instanceId || !options.isLiving(before.replica))
      return isOurs ? { op: 'delete', key: stateKey(key), ifPresent: true } : undefined
    }
    if (!state || (before && before.replica !== instanceId && !outranks(state, before))) return undefined
    return { op: 'put', resource: { ...stateKey(key), labels: {}, spec: state } }
  }
  const write = async (): Promise<void> => {
    while (dirty.size > 0 && !isStopped) {
      const keys = [...dirty].slice(0, batchSize)
      for (const key of keys) dirty.delete(key)
      const ops = keys.flatMap((key) => operation(key) ?? [])
      if (ops.length === 0) continue
      try {
        await store.transact(ops, context)
      } catch (error) {
        log.warn({ err: messageOf(error), count: ops.length }, 'states of proxies could not be written, trying again')
        for (const key of keys) dirty.add(key)
        retry = clock.after(retryMs, () => {
          for (const key of keys) publish(key)
        })
        return
      }
    }
  }

  const show = (key: string, state: State | undefined): void => {
    const { draining, degraded, acceptsTls } = state ?? {}
    if (draining || degraded) facts.endpointStates.set(key, { ...(draining ? { draining } : {}), ...(degraded ? { degraded } : {}) })
    else facts.endpointStates.delete(key)
    if (acceptsTls === undefined) facts.tlsAccepting.delete(key)
    else facts.tlsAccepting.set(key, acceptsTls)
  }
  const take = (key: string, theirs: State): void => {
    if (theirs.replica === instanceId) return
    const ours = own.get(key)
    if (ours && outranks(ours, theirs)) {
      publish(key)
      return
    }
    own.delete(key)
    options.moved(key)
    show(key, theirs)
  }
  const takeAll = (which: (state: State) => boolean): void =>
    facts.together(() => {
      for (const each of store.list(type)) {
        const state = stateOf(each)
        if (state && which(state)) take(nameKey(each), state)
      }
    })
  const follow = ({ op, key, after }: Change): void => {
    const of = nameKey(key)
    if (key.type === 'Dataplane' && op === 'delete') publish(of)
    if (key.type !== type) return
    const state = stateOf(after)
    if (state) take(of, state)
    else if (own.has(of)) publish(of)
    else show(of, undefined)
  }

  return {
    sinks: {
      proxies: {
        set: (key, metadata, registered) => {
          const before = own.get(key) ?? stored(key)
          const generation = (before?.generation ?? 0) + (before?.replica === instanceId ? 0 : 1)
          const tls = before?.acceptsTls === undefined ? {} : { acceptsTls: before.acceptsTls }
          own.set(key, { replica: instanceId, generation, ownsDataplane: registered.ownsDataplane, ...tls })
          publish(key)
          // what another replica said of it is over; what this one says comes next
          if (before && before.replica !== instanceId) facts.endpointStates.delete(key)
          facts.proxies.set(key, metadata, registered)
        },
        delete: (key) => {
          own.delete(key)
          facts.proxies.delete(key)
        },
      },
      endpointStates: {
        set: (key, state) => {
          change(key, (before) => withEndpointState(before, state))
          facts.endpointStates.set(key, state)
        },
        delete: (key) => {
          change(key, (before) => withEndpointState(before, {}))
          facts.endpointStates.delete(key)
        },
      },
      tlsAccepting: {
        set: (key, identity) => {
          change(key, (state) => ({ ...state, acceptsTls: identity }))
          facts.tlsAccepting.set(key, identity)
        },
        delete: (key) => {
          change(key, (before) => withEndpointState(registrationOf(before), before))
          facts.tlsAccepting.delete(key)
        },
      },
      together: (tell) => facts.together(tell),
    },
    replicas: () => new Set(store.list(type).flatMap((each) => stateOf(each)?.replica ?? [])),
    servedBy: (replica) =>
      store.list(type).flatMap((each) => {
        const state = stateOf(each)
        return state?.replica === replica ? [{ key: nameKey(each), ownsDataplane: state.ownsDataplane }] : []
      }),
    returned: (replica) => takeAll((state) => state.replica === replica),
    isLiveElsewhere: (key) => {
      const state = stored(key)
      return state !== undefined && state.replica !== instanceId && state.degraded !== true && options.isLiving(state.replica)
    },
    start: () => {
      unwatch = store.watch(store.seq, (changes) => {
        if (!changes.some(({ key }) => key.type === type || key.type === 'Dataplane')) return
        facts.together(() => changes.forEach(follow))
      })
      takeAll(() => true)
    },
    stop: () => {
      isStopped = true
      retry?.cancel()
      unwatch()
    },
  }
}

type Registration = Pick<State, 'replica' | 'generation' | 'ownsDataplane'>

function registrationOf({ replica, generation, ownsDataplane }: State): Registration {
  return { replica, generation, ownsDataplane }
}

function withEndpointState(before: Registration & Pick<State, 'acceptsTls'>, { draining, degraded }: EndpointState): State {
  const { replica, generation, ownsDataplane, acceptsTls } = before
  return {
    replica,
    generation,
    ownsDataplane,
    ...(draining === undefined ? {} : { draining }),
    ...(degraded === undefined ? {} : { degraded }),
    ...(acceptsTls === undefined ? {} : { acceptsTls }),
  }
}

function outranks(ours: State, theirs: State): boolean {
  return ours.generation === theirs.generation ? ours.replica > theirs.replica : ours.generation > theirs.generation
}

function stateKey(proxyKey: string): ResourceKey {
  const [mesh = '', name = ''] = proxyKey.split('/')
  return { type, mesh, name }
}

/** Undefined for what no version of this program wrote. */
function stateOf(resource: Pick<Resource, 'spec'> | undefined): State | undefined {
  const spec = resource?.spec
  const [replica, generation, acceptsTls] = [textField(spec, 'replica'), field(spec, 'generation'), textField(spec, 'acceptsTls')]
  if (replica === '' || typeof generation !== 'number') return undefined
  return {
    replica,
    generation,
    ownsDataplane: field(spec, 'ownsDataplane') === true,
    ...(field(spec, 'draining') === true ? { draining: true } : {}),
    ...(field(spec, 'degraded') === true ? { degraded: true } : {}),
    ...(acceptsTls === '' ? {} : { acceptsTls }),
  }
}
