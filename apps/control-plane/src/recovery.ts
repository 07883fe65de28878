// Recovery: after a start without the state that proxies were served from, each keeps what it reports until what it needs is known to be back
// (architecture.md section 7). Mesh by mesh: first the lists of global and the Mesh, then the proxies, then what follows from them.
// A proxy that reports nothing has nothing to lose: it is served as always.
import type { ReturnedDataplanes } from '@weft/kds'
import type { Logger } from '@weft/foundation/log'
import { type Clock, timestamp, type Timer } from '@weft/foundation/time'
import type { DataplaneSpec, Resource } from '@weft/resources'
import type { DeltaStream, XdsType } from '@weft/xds'
import { meshOfProxy } from './proxy-streams.ts'

/** incomplete: lists or the Mesh are missing. returning: proxies are. finishing: what follows from them is. */
export type RecoveryPhase = 'incomplete' | 'returning' | 'finishing' | 'over'

export interface RecoveryOptions {
  /** False when the store kept its state: then there is nothing to recover. */
  readonly needed: boolean
  /** Types whose complete list from global is missing. Empty for a standalone zone. */
  readonly unlisted: () => readonly string[]
  /** Names of the stored Meshes. */
  readonly meshes: () => readonly string[]
  /** What global has of an earlier life; undefined when it cannot tell. */
  readonly returned: () => ReturnedDataplanes | undefined
  /** The stored Dataplane of a proxy. */
  readonly dataplane: (proxyKey: string) => Resource | undefined
  readonly isConnected: (proxyKey: string) => boolean
  /** Of what proxies reported: what may be replaced once lists and Mesh are complete, though proxies are missing. */
  readonly mayChange: (type: XdsType, name: string) => boolean
  /** Resolves when everything that follows from the present state of the store is computed, written and built. */
  readonly quiet: () => Promise<void>
  /** Told when recovery is over for the proxies of a mesh, or for all. */
  readonly onOver?: () => void
  readonly clock: Clock
  readonly log: Logger
}

/** What recovery needs of a stream. */
export type RecoveringStream = Pick<DeltaStream, 'resumed' | 'closed' | 'asked' | 'relaxRecovery' | 'endRecovery' | 'caughtUp'>

export interface MeshRecovery {
  readonly mesh: string
  readonly phase: RecoveryPhase
  /** Connected proxies that keep what they reported. */
  readonly proxies: number
  /** Proxies that have not come back, as far as anyone knows; at most 100. */
  readonly waitingFor: readonly string[]
  /** RFC 3339: when waiting for proxies ends at the latest. */
  readonly until?: string
}

export interface RecoveryStatus {
  readonly recovering: boolean
  /** RFC 3339 of the start. */
  readonly since: string
  readonly unlisted: readonly string[]
  readonly meshes: readonly MeshRecovery[]
}

export interface Recovery {
  isRecovering(proxyKey: string): boolean
  /** True while proxies of the mesh that were served before are known to be on their way back. */
  awaits(mesh: string): boolean
  /** Told of every stream that is served. */
  onStream(proxyKey: string, stream: RecoveringStream): void
  /** Looks again; to be called when what the options answer may have changed. */
  advance(): void
  status(): RecoveryStatus
  /** Resolves when it is over for every mesh that is known by then; at once when none was needed. */
  readonly over: Promise<void>
  /** Ends it now, as an operator may decide. */
  end(): void
  stop(): void
}

/** How long proxies have to come back, from when they can: Envoy waits up to 30 s between two attempts. */
export const returnGraceMs = 60_000
/** How long the probed inbounds of a proxy that is back may take to be reported: the first result of a fresh check counts after 4 s. */
const probeWaitMs = 5_000
/** How long proxies that are back may take to accept what is new to them. */
const finishLimitMs = 5_000
const maxShown = 100

interface MeshState {
  readonly mesh: string
  phase: RecoveryPhase
  /** Lists and Mesh are there, their consequences are being computed. */
  isCompleting: boolean
  /** On the clock, from when the mesh is complete. */
  graceUntil: number | undefined
  timer: Timer | undefined
  /** Streams that keep what they reported. */
  readonly streams: Map<string, RecoveringStream>
  /** Proxies seen since the start, with the time on the clock. */
  readonly seen: Map<string, number>
  /** Proxies that came with nothing: all that they report later is of this life. */
  readonly served: Set<string>
}

export function createRecovery(options: RecoveryOptions): Recovery {
  const { clock } = options
  const log = options.log.child({ component: 'recovery' })
  const since = timestamp(clock.now())
  const states = new Map<string, MeshState>()
  const { promise: over, resolve: resolveOver } = Promise.withResolvers<void>()
  const deadlines = new Set<Timer>()
  let isEnded = !options.needed
  let isStopped = false
  if (isEnded) resolveOver()

  const stateOf = (mesh: string): MeshState => {
    let state = states.get(mesh)
    if (!state) {
      state = {
        mesh,
        phase: 'incomplete',
        isCompleting: false,
        graceUntil: undefined,
        timer: undefined,
        streams: new Map(),
        seen: new Map(),
        served: new Set(),
      }
      states.set(mesh, state)
    }
    return state
  }
  const arm = (state: MeshState, at: number): void => {
    state.timer?.cancel()
    state.timer = clock.after(Math.max(0, at - clock.now()), () => advance())
  }

  /** The proxies to wait for; undefined when it is not known who is missing. */
  const missing = (state: MeshState): readonly string[] | undefined => {
    const returned = options.returned()
    const absent = returned?.missingOf(state.mesh)
    if (!returned || !absent) return undefined
    const names = [...absent].sort()
    for (const [proxyKey, seenAt] of state.seen) {
      const dataplane = options.dataplane(proxyKey)
      // who left in order is not waited for
      if (!dataplane) continue
      // a global that does not know a proxy which was served before does not know the others either
      if (state.streams.get(proxyKey)?.resumed && !returned.has(dataplane)) return undefined
      if (!options.isConnected(proxyKey) || (awaitsProbe(dataplane) && clock.now() < seenAt + probeWaitMs)) names.push(proxyKey)
    }
    return names
  }
  const mustWait = (state: MeshState): boolean => {
    if (state.graceUntil === undefined || clock.now() >= state.graceUntil) return false
    // asked for every proxy that comes back, so the whole is looked at only when it may be complete
    const isIncomplete = (options.returned()?.missingOf(state.mesh)?.size ?? 1) > 0
    const names = isIncomplete ? undefined : missing(state)
    if (names?.length === 0) return false
    const probed = [...state.seen.values()].map((seenAt) => seenAt + probeWaitMs).filter((at) => at > clock.now())
    arm(state, names === undefined ? state.graceUntil : Math.min(state.graceUntil, ...probed))
    return true
  }

  const complete = async (state: MeshState): Promise<void> => {
    state.isCompleting = true
    state.graceUntil = clock.now() + returnGraceMs
    log.info({ mesh: state.mesh, count: state.streams.size }, 'recovery has all lists, waits for proxies')
    // identities and what else the lists bring about first: half a configuration must not replace a whole one
    await options.quiet()
    if (isStopped || state.phase !== 'incomplete') return
    state.phase = 'returning'
    for (const stream of state.streams.values()) stream.relaxRecovery(options.mayChange)
    advanceMesh(state)
  }
  const finish = async (state: MeshState): Promise<void> => {
    state.phase = 'finishing'
    state.timer?.cancel()
    await options.quiet()
    await Promise.race([Promise.all([...state.streams.values()].map((stream) => stream.caughtUp())), within(finishLimitMs)])
    // what they accepted has consequences too, such as services that accept TLS again
    await options.quiet()
    if (isStopped || state.phase !== 'finishing') return
    if (mustWait(state)) {
      state.phase = 'returning'
      return
    }
    release(state)
    options.onOver?.()
    checkOver()
  }
  const within = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = clock.after(ms, () => {
        deadlines.delete(timer)
        resolve()
      })
      deadlines.add(timer)
    })
  const release = (state: MeshState): void => {
    state.phase = 'over'
    state.timer?.cancel()
    for (const stream of state.streams.values()) stream.endRecovery()
    log.info({ mesh: state.mesh, count: state.streams.size }, 'recovery of a mesh is over')
    state.streams.clear()
    state.seen.clear()
    state.served.clear()
  }
  const advanceMesh = (state: MeshState): void => {
    if (state.phase === 'incomplete') {
      if (!state.isCompleting && options.unlisted().length === 0 && options.meshes().includes(state.mesh)) void complete(state)
    } else if (state.phase === 'returning' && !mustWait(state)) void finish(state)
  }
  const checkOver = (): void => {
    const meshes = options.meshes()
    if (isEnded || meshes.length === 0 || options.unlisted().length > 0) return
    if (meshes.every((mesh) => stateOf(mesh).phase === 'over')) resolveOver()
  }
  const advance = (): void => {
    if (isEnded || isStopped) return
    if (options.unlisted().length === 0) for (const mesh of options.meshes()) stateOf(mesh)
    for (const state of states.values()) advanceMesh(state)
  }

  return {
    isRecovering: (proxyKey) => {
      if (isEnded) return false
      const state = stateOf(meshOfProxy(proxyKey))
      return state.phase !== 'over' && !state.served.has(proxyKey)
    },
    awaits: (mesh) => {
      const state = states.get(mesh)
      if (isEnded || !state || state.phase === 'over') return false
      if (options.returned()?.missingOf(mesh)) return true
      for (const stream of state.streams.values()) if (stream.resumed) return true
      return false
    },
    onStream: (proxyKey, stream) => {
      if (isEnded) return
      const state = stateOf(meshOfProxy(proxyKey))
      if (state.phase === 'over') return
      if (state.served.has(proxyKey)) state.streams.delete(proxyKey)
      else {
        state.streams.set(proxyKey, stream)
        void stream.asked().then(() => {
          if (!stream.resumed && !stream.closed) state.served.add(proxyKey)
        })
      }
      if (!state.seen.has(proxyKey)) state.seen.set(proxyKey, clock.now())
      if (state.phase !== 'incomplete') stream.relaxRecovery(options.mayChange)
      advanceMesh(state)
    },
    advance,
    status: () => ({
      recovering: !isEnded && [...states.values()].some((state) => state.phase !== 'over'),
      since,
      unlisted: isEnded ? [] : options.unlisted(),
      meshes: [...states.values()]
        .map(
          (state): MeshRecovery => ({
            mesh: state.mesh,
            phase: isEnded ? 'over' : state.phase,
            proxies: [...state.streams.values()].filter((stream) => stream.resumed && !stream.closed).length,
            waitingFor: isEnded || state.phase === 'over' ? [] : (missing(state) ?? []).slice(0, maxShown),
            ...(state.graceUntil === undefined || state.phase === 'over' ? {} : { until: timestamp(state.graceUntil) }),
          }),
        )
        .sort((a, b) => (a.mesh < b.mesh ? -1 : 1)),
    }),
    over,
    end: () => {
      for (const state of states.values()) if (state.phase !== 'over') release(state)
      isEnded = true
      options.onOver?.()
      resolveOver()
    },
    stop: () => {
      isStopped = true
      for (const state of states.values()) state.timer?.cancel()
      for (const timer of deadlines) timer.cancel()
    },
  }
}

/** Probed inbounds of a proxy that registers anew are not ready before the first report, whatever they are. */
function awaitsProbe(dataplane: Resource): boolean {
  // stored Dataplanes passed the codec of their kind
  const inbounds = (dataplane.spec as DataplaneSpec).networking?.inbound ?? []
  return inbounds.some((inbound) => inbound.serviceProbe && inbound.state === 'NotReady')
}
