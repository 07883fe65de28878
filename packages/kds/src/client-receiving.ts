// GlobalToZoneSync at a zone: global sends, we receive. An own global greets with its store id before anything else; a stock one is known
// by the cluster id it lists.
import { type Metadata, status } from '@grpc/grpc-js'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import { timestamp, type Timer } from '@weft/foundation/time'
import { serviceDefinition } from '@weft/proto'
import { isSentToZones, type Registry } from '@weft/resources'
import type { Ended, RunningStream, StreamContext } from './client-context.ts'
import { DeltaReceiver } from './delta-receiver.ts'
import { explainFromGlobal } from './explained-deletions.ts'
import { headerKeys, zoneFeatures } from './features.ts'
import type { OpenedStream } from './global-channel.ts'
import { fromGlobal } from './incoming.ts'
import { inOrder } from './outgoing.ts'
import { clusterIdName } from './outgoing-to-zone.ts'
import { describingNode } from './peer.ts'
import { member } from './json.ts'
import { asReport, trustSpreadType } from './trust-spread.ts'
import { encodeRequest } from './wire.ts'

const greetingWaitMs = 1_000
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
  const { client, log, memory, channel } = context
  const { clock, recorder, zone } = client
  let receiver: DeltaReceiver | undefined
  let wait: Timer | undefined
  let greeted = false

  const finish = (): void => {
    wait?.cancel()
    receiver?.close()
    memory.tellTrusted = () => {}
    memory.trustedElsewhere = new Set()
    if (greeted) recorder.streamClosed(zone, 'globalToZone', timestamp(clock.now()))
    greeted = false
  }
  const fail = (error: AppError): void => {
    finish()
    stream.cancel()
    ended(hasCode(error, 'kds/bad-message') ? status.INVALID_ARGUMENT : status.INTERNAL, error.message)
  }
  const begin = (storeId: string | undefined): void => {
    if (receiver) return
    wait?.cancel()
    memory.progress.reset()
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
      node: describingNode(zone, context.self, { features: zoneFeatures, config: client.config() }),
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
    receiver.start()
  }
  const tellTrusted = (): void => {
    if (memory.trusted === undefined) return
    stream.write(encodeRequest({ type: trustSpreadType, node: { id: zone, metadata: undefined }, subscribe: asReport(memory.trusted) }))
  }
  const identifyByCluster = (): void => {
    if (memory.peer === 'own' || !memory.accepted.get('Config')?.has(`${clusterIdName}.`)) return
    const id = member(client.store.get({ type: 'Config', mesh: '', name: clusterIdName })?.spec, 'config')
    if (typeof id === 'string' && id !== '') receiver?.identified(`cluster:${id}`)
  }
  const greet = (metadata: Metadata): void => {
    const storeId = String(metadata.get(headerKeys.storeId)[0] ?? '') || undefined
    begin(storeId)
    if (storeId !== undefined) receiver?.identified(`store:${storeId}`)
    const peer = storeId === undefined ? 'stock' : 'own'
    const isNews = memory.peer !== peer
    memory.peer = peer
    memory.storeId = storeId
    greeted = true
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
        receiver?.receive(bytes)
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
  if (memory.peer === 'own') wait = clock.after(greetingWaitMs, () => begin(undefined))
  else begin(undefined)
  return {
    stop: () => {
      finish()
      stream.cancel()
    },
  }
}
