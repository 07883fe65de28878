// The zones that have streams open here, and what is remembered of each. A newer stream of the same kind supersedes the older one.
import { status } from '@grpc/grpc-js'
import type { Logger } from '@weft/foundation/log'
import { type Clock, timestamp } from '@weft/foundation/time'
import type { Store } from '@weft/store'
import type { ConnectedZone, DuplicateZone, HeldResources, PeerDescription, ZoneStatusRecorder, ZoneStream } from './contract.ts'
import { ledgerPrefix, openOriginLedger, type OriginLedger } from './origin-ledger.ts'
import { isSecondGeneration } from './peer.ts'
import type { ServerStream } from './server-stream.ts'

/** How far a stream is. */
export interface StreamStatus {
  inSync(): boolean
}

/** Zones and their streams. */
export interface ZoneRecords {
  /** Ends an older stream of this zone and kind. Returns what to call when this one ends. */
  opened(stream: ServerStream, kind: ZoneStream, state?: StreamStatus): () => void
  described(stream: ServerStream, description: PeerDescription): void
  description(zone: string): PeerDescription | undefined
  ledger(zone: string): OriginLedger
  connected(): readonly ConnectedZone[]
  held(): readonly HeldResources[]
  /** Ends the streams that came in by a client certificate. */
  endCertified(code: status, details: string): void
  /** Ends every stream. */
  endAll(code: status, details: string): void
}

interface OpenStream {
  readonly stream: ServerStream
  readonly status: StreamStatus | undefined
}

interface ZoneRecord {
  readonly streams: Map<ZoneStream, OpenStream>
  description: PeerDescription | undefined
}

/** What the records need. */
export interface ZoneRecordsOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly recorder: ZoneStatusRecorder
  duplicate(zone: string): DuplicateZone | undefined
}

const synced: ReadonlySet<ZoneStream> = new Set(['globalToZone', 'zoneToGlobal'])

/** No zones yet; ledgers of earlier runs are read when they are needed. */
export function createZoneRecords({ store, clock, log, recorder, duplicate }: ZoneRecordsOptions): ZoneRecords {
  const zones = new Map<string, ZoneRecord>()
  const ledgers = new Map<string, OriginLedger>()
  const every = new Set<ServerStream>()

  const record = (zone: string): ZoneRecord => {
    const found = zones.get(zone) ?? { streams: new Map(), description: undefined }
    zones.set(zone, found)
    return found
  }
  const ledger = (zone: string): OriginLedger => {
    const found = ledgers.get(zone) ?? openOriginLedger({ store, log, origin: zone })
    ledgers.set(zone, found)
    return found
  }
  return {
    opened: (stream, kind, state) => {
      const { streams } = record(stream.zone)
      const older = streams.get(kind)
      streams.set(kind, { stream, status: state })
      every.add(stream)
      // an admin stream that ends with CANCELED is not opened again by a stock zone, so those just lose their role
      if (older && synced.has(kind)) {
        log.info({ zone: stream.zone, stream: kind, from: older.stream.peerAddress, to: stream.peerAddress }, 'kds stream superseded')
        older.stream.end(status.CANCELLED, 'stream canceled - superseded by a newer stream of this zone')
      }
      recorder.streamOpened(stream.zone, kind, timestamp(clock.now()))
      return () => {
        every.delete(stream)
        const current = zones.get(stream.zone)
        if (current?.streams.get(kind)?.stream !== stream) return
        current.streams.delete(kind)
        if (current.streams.size === 0) zones.delete(stream.zone)
        recorder.streamClosed(stream.zone, kind, timestamp(clock.now()))
      }
    },
    described: (stream, description) => {
      record(stream.zone).description = description
    },
    description: (zone) => zones.get(zone)?.description,
    ledger,
    connected: () =>
      [...zones].map(([zone, { streams, description }]) => {
        const any = streams.get('globalToZone') ?? [...streams.values()][0]
        return {
          zone,
          peerAddress: any?.stream.peerAddress ?? '',
          credential: any?.stream.credential ?? 'none',
          duplicate: duplicate(zone),
          streams: [...streams.keys()].sort(),
          storeId: any?.stream.storeId,
          description,
          secondGeneration: description !== undefined && isSecondGeneration(any?.stream.zoneVersion, description),
          inSync: [...synced].every((kind) => streams.get(kind)?.status?.inSync() ?? false),
        }
      }),
    held: () => {
      for (const { name } of store.list('Config')) if (name.startsWith(ledgerPrefix)) ledger(name.slice(ledgerPrefix.length))
      return [...ledgers.values()].flatMap((item) => item.held())
    },
    endCertified: (code, details) => {
      for (const stream of every) if (stream.credential === 'certificate') stream.end(code, details)
    },
    endAll: (code, details) => {
      for (const stream of every) stream.end(code, details)
    },
  }
}
