// ZoneToGlobalSync at a zone: global subscribes, we send. And the admin streams, on which global asks and we answer.
import { randomUUID } from 'node:crypto'
import { status } from '@grpc/grpc-js'
import { AppError, messageOf } from '@weft/foundation/errors'
import { timestamp } from '@weft/foundation/time'
import { serviceDefinition } from '@weft/proto'
import { isSentToGlobal, isSentToZones } from '@weft/resources'
import { adminMethods } from './admin-messages.ts'
import { answerAdminRequest } from './admin-responder.ts'
import type { Ended, RunningStream, StreamContext } from './client-context.ts'
import type { AdminKind } from './contract.ts'
import { DeltaSender } from './delta-sender.ts'
import { nodeFeatures } from './features.ts'
import type { OpenedStream } from './global-channel.ts'
import { type NodeFacts, nodeFacts } from './peer.ts'
import { type Greeting, greetingOf } from './server-stream.ts'
import { type DeltaRequest, decodeRequest } from './wire.ts'

/** Changes of inventory that global only shows may wait this long for each other: proxies that start change theirs several times. */
const inventoryPaceMs = 1000

/** Opens the stream and waits for the subscribes of global; the first one tells what it is. */
export function openZoneToGlobal(context: StreamContext, ended: Ended, described: (facts: NodeFacts) => void): RunningStream {
  const { client, log } = context
  const { clock, recorder, zone } = client
  const inventory = new Set(client.registry.all.filter((kind) => isSentToGlobal(kind) && !isSentToZones(kind)).map((kind) => kind.type))
  const id = randomUUID()
  let sender: DeltaSender | undefined
  let isOver = false
  let isListable = true
  /** Subscribes that wait: of a stock global until first lists are complete, of any until it is known to be the one of this zone. */
  let held: DeltaRequest[] | undefined
  let stopShowing = (): void => {}

  let stopWaiting = (): void => {}

  const finish = (): void => {
    isOver = true
    stopWaiting()
    stopShowing()
    if (!sender) return
    sender.close()
    sender = undefined
    recorder.subscriptionClosed(zone, id, timestamp(clock.now()))
    recorder.streamClosed(zone, 'zoneToGlobal', timestamp(clock.now()))
  }
  const fail = (code: status, details: string): void => {
    finish()
    stream.cancel()
    ended(code, details)
  }
  const begin = (request: DeltaRequest): DeltaSender => {
    if (!request.node) throw new AppError('kds/bad-message', 'the first request has no node')
    const facts = nodeFacts(request.node)
    const { version, config, instanceId, features } = facts
    described(facts)
    context.gate.process(instanceId)
    const now = timestamp(clock.now())
    recorder.streamOpened(zone, 'zoneToGlobal', now)
    recorder.subscriptionOpened({ id, zone, connectTime: now, authTokenProvided: false })
    recorder.subscriptionDescribed(zone, id, { version, config, instanceId })
    const trace = client.changes?.trace()
    return new DeltaSender({
      outgoing: features.has(nodeFeatures.originSeq) ? context.outgoing.stamped : context.outgoing,
      store: client.store,
      feed: context.feed,
      clock,
      log,
      identifier: zone,
      chunked: features.has(nodeFeatures.chunkedLists),
      digests: features.has(nodeFeatures.digests),
      positions: features.has(nodeFeatures.originSeq),
      ...(trace ? { trace } : {}),
      paceMs: (type) => (inventory.has(type) ? inventoryPaceMs : 0),
      quarantine: context.journal.refusedThere,
      write: stream.write,
      count: (type, outcome, failure) => {
        context.metrics.response(type, outcome)
        context.journal.response(type, outcome, failure)
        recorder.responseCounted(zone, id, type, outcome, failure)
      },
      ...(client.recovered ? { recovered: client.recovered } : {}),
      reader: stream.reader,
    })
  }
  const take = (request: DeltaRequest): void => {
    sender ??= begin(request)
    if (request.type === 'Dataplane' && context.memory.recall.recalled(request.initialVersions)) context.changed()
    sender.request(request)
  }
  const guarded = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      fail(status.INVALID_ARGUMENT, messageOf(error))
    }
  }
  const proceed = (): void => {
    if (isOver || !isListable || !context.gate.isOpen) return
    const requests = held ?? []
    held = undefined
    guarded(() => requests.forEach(take))
  }
  const holdFor = (listable: Promise<void>): void => {
    isListable = false
    held ??= []
    void listable.then(() => {
      isListable = true
      proceed()
    })
  }
  const stream: OpenedStream = context.channel.open(serviceDefinition('kuma.mesh.v1alpha1.KDSSyncService').ZoneToGlobalSync, {
    greeted: (metadata) => {
      const greeting = greetingOf(metadata)
      if (!isTheOne(context, greeting)) return
      if (client.listable && !greeting) holdFor(client.listable)
      if (context.gate.isOpen) context.established()
    },
    data: (bytes) =>
      guarded(() => {
        const request = decodeRequest(bytes)
        if (held) held.push(request)
        else take(request)
      }),
    drained: () => sender?.drained(),
    ended: ({ code, details }) => {
      finish()
      ended(code, details)
    },
  })
  stopShowing = context.journal.sending(() => sender, stream.reader)
  if (!context.gate.isOpen) {
    held = []
    stopWaiting = context.gate.whenOpen(proceed)
  }
  return {
    stop: () => {
      finish()
      stream.cancel()
    },
  }
}

/** An own global that greets as another than the one of this zone loses the session. */
function isTheOne({ gate }: StreamContext, greeting: Greeting | undefined): boolean {
  if (!greeting || greeting.clusterId === '') return true
  return gate.heard({ clusterId: greeting.clusterId, peer: 'own', lasting: greeting.lasts })
}

/** Opens one admin stream and answers on it. */
export function openAdmin(context: StreamContext, kind: AdminKind, ended: Ended): RunningStream {
  const { client, log } = context
  const { store, envoyAdmin, clock } = client
  let peer: 'own' | 'stock' = 'stock'
  const stream: OpenedStream = context.channel.open(serviceDefinition('kuma.mesh.v1alpha1.GlobalKDSService')[adminMethods[kind]], {
    greeted: (metadata) => {
      const greeting = greetingOf(metadata)
      if (greeting && isTheOne(context, greeting)) peer = 'own'
    },
    data: (bytes) => {
      try {
        void answerAdminRequest(kind, bytes, { store, envoyAdmin, clock, log, peer, write: stream.write })
      } catch (error) {
        log.warn({ stream: kind, err: messageOf(error) }, 'kds admin request not understood')
      }
    },
    drained: () => {},
    ended: ({ code, details }) => ended(code, details),
  })
  return { stop: () => stream.cancel() }
}
