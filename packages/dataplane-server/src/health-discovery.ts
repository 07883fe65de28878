// Health discovery: proxies check themselves and their workloads and report. A proxy that says it is not ready leaves load balancing at
// once; what its probes say goes into its Dataplane (contract/dataplane.md section 14.1).
import { type Metadata, type ServerDuplexStream, status, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { addressOfPeer } from '@weft/foundation/net'
import type { Clock, Timer } from '@weft/foundation/time'
import { systemNames } from '@weft/envoy'
import { type ByteService, codec, type Messages, serviceDefinition } from '@weft/proto'
import type { DataplaneSpec } from '@weft/resources'
import type { Store } from '@weft/store'
import { admissionStatus } from '@weft/xds'
import { type AdmissionOptions, admit } from './admission.ts'
import { credentialsOf } from './discovery.ts'
import { healthSpecifier, probedInbounds, readReport } from './health-specifier.ts'
import { type ProxyHello, readNode } from './node-metadata.ts'
import type { ProbeWriter } from './probe-writer.ts'
import type { ProxyLifecycle } from './proxy-lifecycle.ts'

export interface HealthDiscoveryOptions extends AdmissionOptions {
  readonly store: Store
  readonly lifecycle: Pick<ProxyLifecycle, 'reportDraining'>
  readonly probes: ProbeWriter
  readonly intervalMs: number
  /** Told of the peer of every stream that is served. */
  readonly admitted: (peer: string) => void
  readonly clock: Clock
  readonly log: Logger
}

/** What a grpc-js server needs: `server.addService(health.definition, health.handlers)`. */
export interface HealthDiscovery {
  readonly definition: ByteService<'envoy.service.health.v3.HealthDiscoveryService'>
  readonly handlers: UntypedServiceImplementation
  /** Follows the store, so that changed Dataplanes get changed checks. */
  start(): void
  /** Ends every stream with UNAVAILABLE. */
  stop(): void
}

type Call = ServerDuplexStream<Uint8Array, Uint8Array>
type Message = Messages['envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse']

interface Session {
  readonly call: Call
  hello: ProxyHello | undefined
  isOpening: boolean
  /** When the checks were last sent, monotonic; and which of them were good since. */
  checksSince: number
  readonly good: Set<string>
  /** Bytes last sent and last received: equal ones mean that nothing is new. */
  sent: Uint8Array | undefined
  received: Uint8Array | undefined
  timer: Timer | undefined
}

/**
 * Envoy reports a check it was given as failed until its first result. Taking that at its word would drain every proxy whenever this
 * control plane starts anew: a failure counts once the check was good, or after the timeout and two intervals.
 */
const freshCheckMs = 4000
/** How long a stream may take to say who it is. */
const firstMessageMs = 30_000

export function createHealthDiscovery(options: HealthDiscoveryOptions): HealthDiscovery {
  const { store, clock, log } = options
  const messages = codec('envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse')
  const specifiers = codec('envoy.service.health.v3.HealthCheckSpecifier')
  const sessions = new Set<Session>()
  const byProxy = new Map<string, Set<Session>>()
  let unwatch: (() => void) | undefined
  let isStopped = false

  const end = (session: Session, code: status, details: string): void => {
    leave(session)
    fail(session.call, code, details)
  }
  const leave = (session: Session): void => {
    session.timer?.cancel()
    sessions.delete(session)
    if (!session.hello) return
    const others = byProxy.get(session.hello.key)
    others?.delete(session)
    if (others?.size !== 0) return
    byProxy.delete(session.hello.key)
    options.lifecycle.reportDraining(session.hello.key, undefined)
  }

  const specOf = (hello: ProxyHello): DataplaneSpec | undefined => {
    const stored = store.get({ type: 'Dataplane', mesh: hello.mesh, name: hello.name })
    // stored Dataplanes passed the codec of their kind; before it is stored, the one the proxy brings counts
    return stored ? (stored.spec as DataplaneSpec) : hello.document?.spec
  }
  const sendChecks = (session: Session): void => {
    if (!session.hello || session.call.destroyed) return
    const { metadata } = session.hello
    const bytes = specifiers.encode(healthSpecifier({ metadata, spec: specOf(session.hello), intervalMs: options.intervalMs }))
    if (session.sent && Buffer.compare(session.sent, bytes) === 0) return
    session.sent = bytes
    session.received = undefined
    session.checksSince = clock.monotonic()
    session.good.clear()
    session.call.write(bytes)
  }

  /** What a report says for sure: a fresh check counts as failed until it has run, so that its first failures mean nothing. */
  const settled = (session: Session, healthy: ReadonlyMap<string, boolean>): ReadonlyMap<string, boolean> => {
    const isFresh = clock.monotonic() - session.checksSince < freshCheckMs
    for (const [name, isGood] of healthy) if (isGood) session.good.add(name)
    return new Map([...healthy].filter(([name, isGood]) => isGood || !isFresh || session.good.has(name)))
  }
  const onReport = (session: Session, hello: ProxyHello, report: NonNullable<Message['endpointHealthResponse']>): boolean => {
    const all = readReport(report)
    const healthy = settled(session, all)
    const isReady = healthy.get(systemNames.admin)
    if (isReady !== undefined) options.lifecycle.reportDraining(hello.key, !isReady)
    if (probedInbounds(specOf(hello)).length > 0) options.probes.report(hello, healthy)
    return healthy.size === all.size
  }

  const onFirst = async (session: Session, message: Message): Promise<void> => {
    const hello = readNode(message.healthCheckRequest?.node)
    session.call.pause()
    await admit(hello, { credentials: credentialsOf(session.call), address: addressOfPeer(session.call.getPeer()) }, options)
    if (!sessions.has(session)) return
    options.admitted(session.call.getPeer())
    session.timer?.cancel()
    session.hello = hello
    const others = byProxy.get(hello.key) ?? new Set()
    byProxy.set(hello.key, others.add(session))
    sendChecks(session)
    session.call.resume()
  }

  const onData = (session: Session, bytes: Uint8Array): void => {
    // a proxy repeats itself every interval: the same bytes say nothing new
    if (session.received && Buffer.compare(session.received, bytes) === 0) return
    let message: Message
    try {
      message = messages.decode(bytes)
    } catch (error) {
      end(session, status.INVALID_ARGUMENT, messageOf(error))
      return
    }
    if (!session.hello) {
      if (session.isOpening) return
      session.isOpening = true
      onFirst(session, message).catch((error: unknown) => {
        if (!sessions.has(session)) return
        log.info({ peer: session.call.getPeer(), err: messageOf(error) }, 'health stream refused')
        end(session, admissionStatus(error), messageOf(error))
      })
      return
    }
    const id = message.healthCheckRequest?.node?.id
    if (id && id !== `${session.hello.mesh}.${session.hello.name}`) {
      end(session, status.INVALID_ARGUMENT, 'node id changed on the stream')
      return
    }
    if (!message.endpointHealthResponse) return
    const isComplete = onReport(session, session.hello, message.endpointHealthResponse)
    session.received = isComplete ? new Uint8Array(bytes) : undefined
  }

  const serve = (call: Call): void => {
    if (isStopped) {
      fail(call, status.UNAVAILABLE, 'the control plane is shutting down')
      return
    }
    const session: Session = {
      call,
      hello: undefined,
      isOpening: false,
      checksSince: 0,
      good: new Set(),
      sent: undefined,
      received: undefined,
      timer: undefined,
    }
    sessions.add(session)
    session.timer = clock.after(firstMessageMs, () => end(session, status.DEADLINE_EXCEEDED, 'no first message'))
    call.on('data', (bytes: Uint8Array) => {
      try {
        if (sessions.has(session)) onData(session, bytes)
      } catch (error) {
        log.error({ err: messageOf(error) }, 'health report failed')
        end(session, status.INTERNAL, 'internal error')
      }
    })
    call.on('end', () => {
      leave(session)
      call.end()
    })
    call.on('cancelled', () => leave(session))
    call.on('error', () => leave(session))
  }

  return {
    definition: serviceDefinition('envoy.service.health.v3.HealthDiscoveryService'),
    handlers: {
      StreamHealthCheck: serve,
      FetchHealthCheck: (_: unknown, callback: (error: { code: status; details: string }) => void) =>
        callback({ code: status.UNIMPLEMENTED, details: 'only the stream is served' }),
    },
    start: () => {
      unwatch = store.watch(store.seq, (changes) => {
        for (const { key } of changes) {
          if (key.type !== 'Dataplane') continue
          for (const session of byProxy.get(`${key.mesh}/${key.name}`) ?? []) sendChecks(session)
        }
      })
    },
    stop: () => {
      isStopped = true
      unwatch?.()
      for (const session of sessions) end(session, status.UNAVAILABLE, 'the control plane is shutting down')
    },
  }
}

function fail(call: Call, code: status, details: string): void {
  // grpc-js sends the code of an error as the status of the stream
  call.emit(
    'error',
    Object.assign(new Error(details), { code, details: details.slice(0, 1000), metadata: undefined as Metadata | undefined }),
  )
}
