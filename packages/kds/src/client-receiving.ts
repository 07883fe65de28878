// GlobalToZoneSync at a zone: global sends, we receive. An own global greets with its store id and its cluster id before anything else; a stock
// one is known by the cluster id it lists. While it is not known to be the global of this zone, nothing but that is asked of it.
import { type Metadata, status } from '@grpc/grpc-js'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import { timestamp, type Timer } from '@weft/foundation/time'
import { serviceDefinition } from '@weft/proto'
import { isSentToZones, type Registry } from '@weft/resources'
import type { Ended, RunningStream, StreamContext } from './client-context.ts'
import { DeltaReceiver } from './delta-receiver.ts'
import { explainFromGlobal } from './explained-deletions.ts'
import { zoneFeatures } from './features.ts'
import type { OpenedStream } from './global-channel.ts'
import { clusterIdIn, clusterIdName, type GlobalIdentity, listedClusterId } from './global-pin.ts'
import { fromGlobal } from './incoming.ts'
import { inOrder } from './outgoing.ts'
import { describingNode } from './peer.ts'
import { type Greeting, greetingOf } from './server-stream.ts'
import { asReport, trustSpreadType } from './trust-spread.ts'
import { decodeResponse, encodeRequest } from './wire.ts'

const greetingWaitMs = 1_000
const identityWaitMs = 30_000
const identityTypes: ReadonlySet<string> = new Set(['Config'])
const leadingTypes = ['Config', 'Mesh', 'GlobalSecret', 'Secret', 'MeshTrust', 'MeshIdentity']

/** Types a zone subscribes to. Config first: it tells a stock global's incarnation; then what others refer to. */
export function consumedTypes(registry: Registry): readonly string[] {
  return inOrder(
    registry.all.filter(isSentToZones).map((kind) => kind.type),
    leadingTypes,
  )
}

/** Opens the stream and subscribes. */
export function openGlobalToZone(context: StreamContext, ended: Ended): RunningStream {
  const { client, log, memory, channel, gate } = context
  const { clock, recorder, zone } = client
  let receiver: DeltaReceiver | undefined
  let wait: Timer | undefined
  let greeting: Greeting | undefined
  let isGreeted = false
  let isAsked = false
  let isVerified = false

  const finish = (): void => {
    wait?.cancel()
    receiver?.close()
    memory.progress.reset()
    gate.shut()
    memory.tellTrusted = () => {}
    memory.trustedElsewhere = new Set()
    if (isVerified) recorder.streamClosed(zone, 'globalToZone', timestamp(clock.now()))
    isVerified = false
  }
  const fail = (error: AppError): void => {
    finish()
    stream.cancel()
    ended(hasCode(error, 'kds/bad-message') ? status.INVALID_ARGUMENT : status.INTERNAL, error.message)
  }
  const node = () => describingNode(zone, context.self, { features: zoneFeatures, config: client.config() })
  /** Which global it is, and nothing else. */
  const ask = (): void => {
    if (isAsked) return
    isAsked = true
    wait?.cancel()
    for (const type of identityTypes) stream.write(encodeRequest({ type, node: node(), subscribe: new Map() }))
    wait = clock.after(identityWaitMs, () =>
      fail(
        new AppError('kds/wrong-peer', `it does not say within ${identityWaitMs / 1000} s which global it is (Config ${clusterIdName})`),
      ),
    )
  }
  const begin = (storeId: string | undefined): void => {
    if (receiver) return
    if (!gate.isOpen) return ask()
    wait?.cancel()
    // what was asked before the gate opened was asked for as a whole
    if (isAsked) for (const type of identityTypes) memory.accepted.delete(type)
    receiver = new DeltaReceiver({
      registry: client.registry,
      store: client.store,
      clock,
      log,
      incoming: fromGlobal(consumedTypes(client.registry)),
      ledger: memory.ledger,
      guard: client.massDelete,
      explain: explainFromGlobal({ zone, isOwnPeer: () => memory.peer === 'own', deletedMeshes: memory.deletedMeshes }),
      deleting: (keys) => {
        for (const key of keys) if (key.type === 'Mesh') memory.deletedMeshes.add(key.name)
      },
      node: node(),
      accepted: memory.accepted,
      // versions of another incarnation say nothing about this one
      offersDigest: storeId !== undefined,
      resume: memory.peer !== 'own' || storeId === undefined || storeId === memory.storeId,
      quarantine: context.journal.refusedHere,
      feed: context.feed,
      drifted: (type) => {
        context.metrics.drifted(type)
        context.journal.drifted(type)
      },
      namesRefusals: () => memory.peer === 'own',
      write: stream.write,
      pause: stream.pause,
      proceed: stream.proceed,
      fail,
      other: ({ type, resources }) => {
        if (type !== trustSpreadType) return false
        memory.trustedElsewhere = new Set(resources.map(({ name }) => name))
        context.changed()
        return true
      },
      listed: (type) => {
        if (memory.listed.has(type)) return
        memory.listed.add(type)
        context.changed()
      },
      arrived: (type, { position, origins }) => {
        client.changes?.originated(type, origins)
        if (position !== undefined) memory.progress.stored(type, position)
      },
      applied: (type, { ms, refused }) => {
        context.metrics.applied(type, ms, refused)
        context.journal.applied(type, { refused })
        if (type === 'Config') identifyByCluster()
      },
    })
    receiver.start(isAsked ? identityTypes : new Set())
  }
  const tellTrusted = (): void => {
    if (memory.trusted === undefined) return
    stream.write(encodeRequest({ type: trustSpreadType, node: { id: zone, metadata: undefined }, subscribe: asReport(memory.trusted) }))
  }
  const identifyByCluster = (): void => {
    if (!memory.accepted.get('Config')?.has(`${clusterIdName}.`)) return
    const id = clusterIdIn(client.store)
    if (id === undefined) return
    if (memory.peer !== 'own') receiver?.identified(`cluster:${id}`)
    gate.renamed(identity(id))
  }
  const identity = (clusterId: string): GlobalIdentity => ({
    clusterId,
    peer: greeting ? 'own' : 'stock',
    lasting: greeting?.lasts ?? false,
  })
  /** Looks for the cluster id in what the global says before the gate is open. */
  const identify = (bytes: Buffer): void => {
    const response = decodeResponse(bytes)
    if (!identityTypes.has(response.type)) return
    const id = listedClusterId(response)
    if (id === undefined) {
      // it is not made yet, and comes with a later response
      stream.write(encodeRequest({ type: response.type, node: { id: zone, metadata: undefined }, nonce: response.nonce }))
      return
    }
    if (!gate.heard(identity(id))) return
    begin(greeting?.storeId)
    verified()
    receiver?.receive(bytes)
  }
  const greet = (metadata: Metadata): void => {
    isGreeted = true
    greeting = greetingOf(metadata)
    if (greeting && greeting.clusterId !== '' && !gate.heard(identity(greeting.clusterId))) return
    begin(greeting?.storeId)
    verified()
  }
  const verified = (): void => {
    if (!isGreeted || isVerified || !gate.isOpen) return
    isVerified = true
    const storeId = greeting?.storeId
    if (storeId !== undefined) receiver?.identified(`store:${storeId}`)
    const peer = storeId === undefined ? 'stock' : 'own'
    const isNews = memory.peer !== peer
    memory.peer = peer
    memory.storeId = storeId
    recorder.streamOpened(zone, 'globalToZone', timestamp(clock.now()))
    if (peer === 'own') {
      memory.tellTrusted = tellTrusted
      tellTrusted()
    }
    context.established()
    if (isNews) context.changed()
  }
  const stream: OpenedStream = channel.open(serviceDefinition('kuma.mesh.v1alpha1.KDSSyncService').GlobalToZoneSync, {
    greeted: greet,
    data: (bytes) => {
      try {
        if (receiver) receiver.receive(bytes)
        else identify(bytes)
      } catch (error) {
        fail(error instanceof AppError ? error : new AppError('kds/bad-message', messageOf(error), { cause: error }))
      }
    },
    drained: () => {},
    ended: ({ code, details }) => {
      finish()
      ended(code, details)
    },
  })
  // without the greeting of an own global it is not known whether what was received before still counts
  if (memory.peer === 'own' || memory.pin.pin?.peer === 'own') wait = clock.after(greetingWaitMs, () => begin(undefined))
  else begin(undefined)
  return {
    stop: () => {
      finish()
      stream.cancel()
    },
  }
}
