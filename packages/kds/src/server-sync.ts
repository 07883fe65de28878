// The two sync streams of a zone at global. State belongs to the stream, never to the zone's name, so a newer stream is not disturbed when
// an older one ends (contract/kds.md sections 4 and 17.A).
import { randomUUID } from 'node:crypto'
import { status } from '@grpc/grpc-js'
import { AppError } from '@weft/foundation/errors'
import { timestamp } from '@weft/foundation/time'
import type { ResourceKey } from '@weft/resources'
import type { ClaimLog } from './attribution.ts'
import type { ChangeProgress } from './change-progress.ts'
import type { ChangeFeed } from './change-feed.ts'
import { DeltaReceiver } from './delta-receiver.ts'
import { DeltaSender } from './delta-sender.ts'
import { explainFromZone } from './explained-deletions.ts'
import { globalFeatures, headerFeatures, nodeFeatures } from './features.ts'
import { fromZone } from './incoming.ts'
import type { GlobalOutgoing } from './outgoing-to-zone.ts'
import { describingNode, isSecondGeneration, type NodeFacts, nodeFacts, type Self } from './peer.ts'
import type { KdsServerOptions } from './server.ts'
import type { ServerStream, StreamHandler } from './server-stream.ts'
import type { SyncMetrics } from './sync-metrics.ts'
import { asFrames, type TrustBoard, type TrustMember, trustSpreadType } from './trust-spread.ts'
import { composeResponse, decodeRequest } from './wire.ts'
import type { ZoneBoard } from './zone-board.ts'
import type { ZoneRecords } from './zone-records.ts'

/** What the sync streams of all zones share. */
export interface SyncContext {
  readonly options: KdsServerOptions
  readonly self: Self
  readonly outgoing: GlobalOutgoing
  readonly feed: ChangeFeed
  readonly records: ZoneRecords
  readonly metrics: SyncMetrics
  readonly trustBoard: TrustBoard
  readonly board: ZoneBoard
  readonly changes: ChangeProgress
  readonly claimed: ClaimLog
  /** Types that zones send. */
  readonly consumed: readonly string[]
  /** Resources whose filter reads other resources: looked at again when those change. */
  onDependency(listener: (type: string, keys: readonly ResourceKey[]) => void): () => void
}

/** Global to zone: we send. */
export function openGlobalToZone(stream: ServerStream, context: SyncContext): StreamHandler {
  const { options, records, feed } = context
  const { clock, recorder } = options
  const { zone } = stream
  const id = randomUUID()
  let sender: DeltaSender | undefined
  let trust: TrustMember | undefined
  const release = records.opened(stream, 'globalToZone', { inSync: () => sender?.inSync ?? false })
  const { authTokenProvided, credential } = stream
  recorder.subscriptionOpened({ id, zone, connectTime: timestamp(clock.now()), authTokenProvided, credential })

  const journal = context.board.journal(zone)
  const unsubscribed = context.board.subscribed(zone, id)
  const stopShowing = journal.sending(() => sender, stream.reader)

  const describe = (facts: NodeFacts): DeltaSender => {
    const { version, config, instanceId } = facts
    records.described(stream, { version, config, instanceId })
    recorder.subscriptionDescribed(zone, id, { version, config, instanceId })
    const target = { zone, features: facts.features, secondGeneration: isSecondGeneration(stream.zoneVersion, facts) }
    if (facts.features.has(nodeFeatures.trustSpread)) trust = context.trustBoard.joined(zone, (names) => void stream.write(trusted(names)))
    stream.log.info({ version: version.version, peer: facts.storeId ? 'own' : 'stock' }, 'kds zone subscribes')
    return new DeltaSender({
      outgoing: context.outgoing.toZone(target),
      store: options.store,
      feed,
      clock,
      log: stream.log,
      identifier: 'global',
      chunked: facts.features.has(nodeFeatures.chunkedLists),
      digests: facts.features.has(nodeFeatures.digests),
      positions: facts.features.has(nodeFeatures.originSeq),
      trace: context.changes.trace(zone),
      quarantine: journal.refusedThere,
      write: stream.write,
      count: (type, outcome, failure) => {
        context.metrics.response(type, outcome)
        journal.response(type, outcome, failure)
        recorder.responseCounted(zone, id, type, outcome, failure)
      },
      reader: stream.reader,
    })
  }
  const stopDependencies = context.onDependency((type, keys) => sender?.mark(type, keys))
  return {
    data: (bytes) => {
      const request = decodeRequest(bytes)
      const named = request.node?.id
      if (named && named !== zone) context.claimed({ zone, place: 'node', claimed: named, result: 'rewritten' })
      if (!sender) {
        if (!request.node) throw new AppError('kds/bad-message', 'the first request has no node')
        sender = describe(nodeFacts(request.node))
      }
      if (request.type !== trustSpreadType) sender.request(request)
      else if (request.subscribes) trust?.reported(new Set(request.initialVersions.keys()))
    },
    drained: () => sender?.drained(),
    closed: () => {
      trust?.left()
      stopShowing()
      unsubscribed()
      stopDependencies()
      sender?.close()
      release()
      recorder.subscriptionClosed(zone, id, timestamp(clock.now()))
    },
  }
}

function trusted(names: readonly string[]): Uint8Array {
  return composeResponse({ type: trustSpreadType, nonce: randomUUID(), sender: 'global', frames: asFrames(names), removed: [] })
}

/** Zone to global: the zone sends. */
export function openZoneToGlobal(stream: ServerStream, context: SyncContext): StreamHandler {
  const { options, records, self } = context
  const { zone } = stream
  const release = records.opened(stream, 'zoneToGlobal', { inSync: () => true })
  const incoming = fromZone({
    registry: options.registry,
    zone,
    hashedNames: stream.features.has(headerFeatures.hashSuffix),
    secondGeneration: stream.zoneVersion === undefined,
    types: context.consumed,
    zones: () => options.store.list('Zone').map(({ name }) => name),
    claimed: context.claimed,
  })
  const ledger = records.ledger(zone)
  const incarnation = stream.storeId ? `store:${stream.storeId}` : 'stock'
  const receiver = new DeltaReceiver({
    registry: options.registry,
    store: options.store,
    clock: options.clock,
    log: stream.log,
    incoming,
    ledger,
    guard: options.massDelete,
    explain: explainFromZone(options.store),
    node: describingNode(zone, self, { features: globalFeatures, config: '' }),
    // a stock zone is always asked for everything
    accepted: stream.storeId === undefined ? new Map() : ledger.accepted,
    resume: stream.storeId !== undefined && incarnation === ledger.incarnation,
    offersDigest: stream.storeId !== undefined,
    recall:
      stream.storeId !== undefined && (incarnation !== ledger.incarnation || ledger.held().some((held) => held.reason === 'incarnation')),
    quarantine: context.board.journal(zone).refusedHere,
    feed: context.feed,
    drifted: (type) => {
      context.metrics.drifted(type)
      context.board.journal(zone).drifted(type)
    },
    namesRefusals: () => stream.storeId !== undefined,
    write: stream.write,
    pause: stream.pause,
    proceed: stream.proceed,
    fail: (error) => stream.end(status.INTERNAL, error.message),
    arrived: (type, { origins }) => context.changes.originated(type, origins),
    applied: (type, { ms, refused }) => {
      context.metrics.applied(type, ms, refused)
      context.board.journal(zone).applied(type, { refused })
    },
  })
  receiver.identified(incarnation)
  receiver.start()
  return {
    data: (bytes) => receiver.receive(bytes),
    closed: () => {
      receiver.close()
      release()
    },
  }
}
