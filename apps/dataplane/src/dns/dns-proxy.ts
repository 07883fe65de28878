// The DNS server beside a proxy: names of the mesh it answers itself, all others it asks of the resolvers. It listens on loopback only, where the
// redirection of a transparent proxy brings every query of this host or pod (contract/dataplane.md sections 4 and 13).
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import { createDnsMetrics } from './dns-metrics.ts'
import { answerAddresses, answerFailure, fitDatagram, headerBytes, type Query, rcodeOf, rcodes, readQuery } from './message.ts'
import { type DnsTable, emptyTable, readDnsTable } from './records.ts'
import { type DnsSockets, listenForQueries } from './sockets.ts'
import type { Transport, Upstream } from './upstream.ts'

export interface DnsProxyOptions {
  /** 0 takes a free one. */
  readonly port: number
  readonly upstream: Upstream
  /** Called when no resolver answered: the ones in use may have changed. */
  readonly onUpstreamFailure?: () => void
  readonly clock: Clock
  readonly log: Logger
}

export interface DnsProxy {
  readonly port: number
  /** True once the control plane has said which names there are. */
  readonly isConfigured: boolean
  /** Takes a `/dns` body: from now on every answer is by it. Throws process/bad-config and keeps the last one. */
  configure(config: unknown): void
  /** Labels that belong on its metrics. */
  readonly labels: Readonly<Record<string, string>>
  /** Prometheus text. */
  metrics(): Promise<string>
  /** Ends all connections. Closing again is harmless. */
  close(): Promise<void>
}

/** Listens. Throws process/port-taken. */
export async function startDnsProxy(options: DnsProxyOptions): Promise<DnsProxy> {
  const { upstream, clock, log } = options
  const metrics = createDnsMetrics()
  const startedAt = clock.monotonic()
  let table: DnsTable = emptyTable
  let isConfigured = false
  let isFailing = false
  let closed: Promise<void> | undefined

  const forward = async (query: Query, transport: Transport): Promise<Buffer> => {
    const from = clock.monotonic()
    try {
      const answer = await upstream.ask(query, transport)
      if (isFailing) log.info({ component: 'dp.dns' }, 'resolvers answer again')
      isFailing = false
      return answer
    } catch (error) {
      metrics.upstreamFailed()
      if (!isFailing) log.warn({ component: 'dp.dns', err: messageOf(error) }, 'no resolver answers; clients are told so')
      isFailing = true
      options.onUpstreamFailure?.()
      return answerFailure(query, rcodes.serverFailure)
    } finally {
      metrics.upstreamTook((clock.monotonic() - from) / 1_000)
    }
  }
  const respond = async (query: Query, transport: Transport): Promise<Buffer> => {
    const from = clock.monotonic()
    const addresses = query.isInternet ? table.lookup(query.name) : undefined
    const answer = addresses === undefined ? await forward(query, transport) : answerAddresses(query, addresses, table.ttlSeconds)
    const source = addresses === undefined ? 'upstream' : 'local'
    metrics.answered({ type: query.type, source, rcode: rcodeOf(answer), seconds: (clock.monotonic() - from) / 1_000 })
    log.trace({ component: 'dp.dns', name: query.name, type: query.type, source, rcode: rcodeOf(answer) }, 'query answered')
    return transport === 'udp' ? fitDatagram(query, answer) : answer
  }
  const failed = (query: Query, error: unknown): Buffer => {
    log.error({ component: 'dp.dns', name: query.name, type: query.type, err: messageOf(error) }, 'query could not be answered')
    return answerFailure(query, rcodes.serverFailure)
  }
  const sockets: DnsSockets = await listenForQueries({
    port: options.port,
    clock,
    log,
    onMessage: async (bytes, transport) => {
      const reading = readQuery(bytes)
      if (reading.kind === 'query') return respond(reading.query, transport).catch((error: unknown) => failed(reading.query, error))
      if (reading.kind === 'silence') return undefined
      metrics.refused(reading.rcode)
      return reading.answer.length >= headerBytes ? reading.answer : undefined
    },
  })
  return {
    port: sockets.port,
    get isConfigured() {
      return isConfigured
    },
    get labels() {
      return table.labels
    },
    configure: (config) => {
      table = readDnsTable(config)
      metrics.entries(table.size)
      if (!isConfigured) metrics.configArrived((clock.monotonic() - startedAt) / 1_000)
      isConfigured = true
      log.info({ component: 'dp.dns', count: table.size }, 'names of the mesh changed')
    },
    metrics: () => metrics.expose(),
    close: () => {
      upstream.close()
      closed ??= sockets.close()
      return closed
    },
  }
}
