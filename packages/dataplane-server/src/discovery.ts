// Discovery of one zone: connects streams of the xds package to who may have them, what they get, and who hears of it.
import { randomUUID } from 'node:crypto'
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { addressOfPeer } from '@weft/foundation/net'
import { timestamp, type Clock } from '@weft/foundation/time'
import type { CountedType, ProxyStatusRecorder } from '@weft/insights'
import {
  type AdsService,
  type Caller,
  createAdsService,
  type Delivery,
  type DeltaStream,
  type ProxySnapshot,
  type StreamEvents,
  type XdsType,
} from '@weft/xds'
import { type AdmissionOptions, admit } from './admission.ts'
import { type ProxyHello, readNode } from './node-metadata.ts'
import type { ProxyLifecycle, Registration, StreamEnd } from './proxy-lifecycle.ts'
import type { ProxySinks } from './sinks.ts'
import { createTlsWatch } from './tls-watch.ts'
import type { ConnectionEnd } from './tls-port.ts'

/** Where the configuration of proxies comes from. */
export interface SnapshotProvider {
  /** Calls the listener with the current snapshot, when there is one, and with every later one. Returns the unsubscriber. */
  onSnapshot(proxyKey: string, listener: (snapshot: ProxySnapshot) => void): () => void
}

export interface DiscoveryOptions extends AdmissionOptions {
  readonly lifecycle: ProxyLifecycle
  readonly snapshots: SnapshotProvider
  readonly recorder: ProxyStatusRecorder
  readonly sinks: ProxySinks
  readonly instanceId: string
  /** How the connection of a peer ended. */
  readonly connectionEnd: (peer: string) => ConnectionEnd
  /** Told of the peer of every stream that is served. */
  readonly admitted: (peer: string) => void
  /** Anything that must be done before a proxy's first configuration is built. */
  readonly prepare?: (hello: ProxyHello) => Promise<void>
  /** True while nothing may be taken away from this proxy (architecture.md section 7, recovery). */
  readonly isRecovering?: (proxyKey: string) => boolean
  /** Told of every stream that is served, e.g. to end its recovery or to read what it acknowledged. */
  readonly onStream?: (proxyKey: string, stream: DeltaStream) => void
  /** Told when a proxy acknowledged secrets, and when its stream is over. */
  readonly onProgress?: (proxyKey: string) => void
  /** Told of everything a proxy accepted, and with `refusal` of the resources it refused once it is known which. */
  readonly onVerdict?: (proxyKey: string, stream: DeltaStream, refusal?: ProxyRefusal) => void
  /** Follows how far streams are. */
  readonly delivery?: Pick<Delivery, 'stream'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** Resources that a proxy refused, with its words. */
export interface ProxyRefusal {
  readonly type: XdsType
  readonly names: readonly string[]
  readonly message: string
}

interface Peer {
  readonly hello: ProxyHello
  readonly registration: Registration
  /** The stream took over: its end is the proxy's. */
  isServed: boolean
}

const countedTypes: Readonly<Record<XdsType, CountedType>> = { cluster: 'cds', endpoint: 'eds', listener: 'lds', secret: 'other' }

export function createDiscovery(options: DiscoveryOptions): AdsService {
  const { log, recorder, delivery } = options

  const authenticate = async (caller: Caller, signal: AbortSignal): Promise<Peer> => {
    const hello = readNode(caller.node)
    await admit(hello, { credentials: credentialsOf(caller), address: addressOfPeer(caller.address) }, options)
    await options.prepare?.(hello)
    if (signal.aborted) throw new AppError('xds/bad-request', 'the proxy is gone')
    const registration = await options.lifecycle.register(hello)
    const peer: Peer = { hello, registration, isServed: false }
    const release = (): void => {
      if (!peer.isServed) registration.ended('closed')
    }
    if (signal.aborted) release()
    else signal.addEventListener('abort', release, { once: true })
    return peer
  }

  const onStream = (stream: DeltaStream, peer: Peer, caller: Caller): StreamEvents => {
    peer.isServed = true
    options.admitted(caller.address)
    const { hello, registration } = peer
    const ref = { mesh: hello.mesh, name: hello.name }
    const id = randomUUID()
    recorder.connected(ref, { id, connectTime: timestamp(options.clock.now()), version: hello.version, metadata: hello.raw })
    const tls = createTlsWatch(stream, (kri) => options.sinks.tlsAccepting.set(hello.key, kri))
    const count = (type: XdsType, outcome: 'sent' | 'acknowledged' | 'rejected'): void =>
      recorder.responseCounted(ref, id, { type: countedTypes[type], outcome })
    const unsubscribe = options.snapshots.onSnapshot(hello.key, (snapshot) => {
      tls.assigned(snapshot)
      stream.assign(snapshot)
    })
    options.onStream?.(hello.key, stream)
    return {
      onSent: ({ type }) => count(type, 'sent'),
      onAck: ({ type }) => {
        count(type, 'acknowledged')
        if (type === 'listener' || type === 'secret') tls.acknowledged()
        if (type === 'secret') options.onProgress?.(hello.key)
        options.onVerdict?.(hello.key, stream)
      },
      onNack: ({ type, error, names, rejected }) => {
        count(type, 'rejected')
        log.warn(
          { mesh: hello.mesh, proxy: hello.name, type, names: (rejected.length > 0 ? rejected : names).slice(0, 10), err: error },
          'proxy refused configuration',
        )
        if (rejected.length > 0) options.onVerdict?.(hello.key, stream, { type, names: rejected, message: error })
      },
      onListenerForced: (listener, clusters) =>
        log.warn({ mesh: hello.mesh, proxy: hello.name, name: listener, clusters }, 'listener sent before its clusters were ready'),
      onClosed: (reason) => {
        unsubscribe()
        recorder.disconnected(ref, id, timestamp(options.clock.now()))
        if (reason === 'stopped') registration.ended('stopped')
        else if (reason === 'refused' || reason === 'failed') registration.ended('lost')
        else classifyEnd(caller.address, options.connectionEnd, (how) => registration.ended(how))
        options.onProgress?.(hello.key)
      },
    }
  }

  return createAdsService<Peer>({
    authenticate,
    onStream,
    controlPlane: options.instanceId,
    ...(options.isRecovering ? { retain: ({ hello }: Peer) => options.isRecovering?.(hello.key) ?? false } : {}),
    ...(delivery ? { delivery: ({ hello }: Peer) => delivery.stream(hello.key) } : {}),
    clock: options.clock,
    log,
    metrics: options.metrics,
  })
}

/** All values of the `authorization` header. */
export function credentialsOf(caller: Pick<Caller, 'metadata'>): readonly string[] {
  return caller.metadata.get('authorization').map((value) => (typeof value === 'string' ? value : value.toString('utf8')))
}

/** A stream whose connection still stands was reset by the proxy, unless the connection turns out to be given up in this very turn. */
function classifyEnd(peer: string, connectionEnd: (peer: string) => ConnectionEnd, end: (how: StreamEnd) => void): void {
  const known = connectionEnd(peer)
  if (known !== 'open') end(known)
  else setImmediate(() => end(connectionEnd(peer) === 'lost' ? 'lost' : 'closed'))
}
