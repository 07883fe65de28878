// Monitoring assignment discovery for Prometheus (`kuma_sd_configs`): xDS over HTTP with JSON, answered when something changed or the time is over
// (contract/dataplane.md section 14.2).
import { isObject, objectField, textField } from '@weft/foundation/json'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import { type Clock, parseDuration, type Timer } from '@weft/foundation/time'
import type { FastifyInstance } from 'fastify'
import type { ListenerSettings } from './api-deps.ts'
import type { ApiReply, ApiRequest, ApiRoute } from './api-route.ts'
import { createOpenApp } from './http-app.ts'
import { type Listener, listen } from './listener.ts'
import { Problem } from './problem.ts'

/** Who knows the assignments. */
export interface AssignmentSource {
  /** What a client gets; its version changes with it. */
  of(clientId: string): { readonly version: string; readonly assignments: readonly object[] }
  /** Returns the unsubscriber. */
  onChange(listener: () => void): () => void
}

export interface MonitoringServerDeps {
  readonly settings: Pick<ListenerSettings, 'interface' | 'port'>
  readonly assignments: AssignmentSource
  /** How long a client without a wish of its own waits for a change. */
  readonly defaultFetchTimeoutMs: number
  readonly clock: Clock
  readonly log: Logger
}

export interface MonitoringServer extends Component {
  readonly port: number | undefined
}

const typeUrl = 'type.googleapis.com/kuma.observability.v1.MonitoringAssignment'
/** A colon that begins no parameter is written twice. */
const path = '/v3/discovery::monitoringassignments'
/** Changes that come together are told together. */
const settleMs = 100
/** A longer wish waits as long as this. */
const longestWaitMs = 10 * 60_000
/** Of more waiting clients the longest waiting ones are told that nothing changed. */
const maxWaiting = 512

/** Not listening until started. `start` rejects with process/port-taken when the port is in use. */
export function createMonitoringServer(deps: MonitoringServerDeps): MonitoringServer {
  const waiting = createWaitingRoom(deps)
  let app: FastifyInstance | undefined
  let listener: Listener | undefined
  return {
    name: 'monitoring-server',
    get port() {
      return listener?.port
    },
    start: async () => {
      app = createOpenApp({ routes: [discoveryRoute(deps, waiting)], clock: deps.clock, log: deps.log })
      await app.ready()
      listener = await listen({
        settings: deps.settings,
        label: 'monitoring assignment discovery',
        handler: app.routing,
        clock: deps.clock,
      })
    },
    stop: async () => {
      waiting.close()
      await listener?.close()
      listener = undefined
      await app?.close()
    },
  }
}

function discoveryRoute({ assignments, defaultFetchTimeoutMs, clock }: MonitoringServerDeps, waiting: WaitingRoom): ApiRoute {
  const fetch = async (request: ApiRequest): Promise<ApiReply> => {
    const { clientId, version } = readRequest(request.body)
    const deadline = clock.monotonic() + Math.min(fetchTimeout(request.query.get('fetch-timeout'), defaultFetchTimeoutMs), longestWaitMs)
    for (;;) {
      const list = assignments.of(clientId)
      if (list.version !== version) return { json: responseOf(list) }
      const leftMs = deadline - clock.monotonic()
      if (leftMs <= 0 || !(await waiting.change(leftMs))) return { status: 304, text: '' }
    }
  }
  return { path, open: true, handlers: { POST: fetch } }
}

function responseOf({ version, assignments }: ReturnType<AssignmentSource['of']>): object {
  return {
    version_info: version,
    ...(assignments.length === 0 ? {} : { resources: assignments.map((assignment) => ({ '@type': typeUrl, ...assignment })) }),
    type_url: typeUrl,
  }
}

/** Field names in either spelling of ProtoJSON. */
function readRequest(body: Buffer | undefined): { readonly clientId: string; readonly version: string } {
  let request: unknown
  try {
    request = JSON.parse(body?.toString('utf8') ?? '')
  } catch {
    request = undefined
  }
  if (!isObject(request)) throw new Problem(400, 'Could not parse request body', { detail: 'the body is not a DiscoveryRequest in JSON' })
  return {
    clientId: textField(objectField(request, 'node'), 'id'),
    version: textField(request, 'version_info') || textField(request, 'versionInfo'),
  }
}

function fetchTimeout(text: string | null, defaultMs: number): number {
  if (text === null || text === '') return defaultMs
  const ms = parseDuration(text)
  if (ms === undefined)
    throw new Problem(400, 'Could not parse fetch-timeout', { detail: `time: invalid duration ${JSON.stringify(text)}` })
  return ms
}

interface WaitingRoom {
  /** True after a change, false when the time was over or there are too many that wait. */
  change(timeoutMs: number): Promise<boolean>
  /** Lets everyone go. */
  close(): void
}

function createWaitingRoom({ assignments, clock }: MonitoringServerDeps): WaitingRoom {
  const guests = new Set<(hasChanged: boolean) => void>()
  let settling: Timer | undefined
  const letGo = (hasChanged: boolean): void => {
    for (const guest of guests) guest(hasChanged)
  }
  const unsubscribe = assignments.onChange(() => {
    if (guests.size === 0) return
    settling ??= clock.after(settleMs, () => {
      settling = undefined
      letGo(true)
    })
  })
  return {
    change: (timeoutMs) =>
      new Promise((done) => {
        const leave = (hasChanged: boolean): void => {
          timer.cancel()
          guests.delete(leave)
          done(hasChanged)
        }
        const timer = clock.after(timeoutMs, () => leave(false))
        guests.add(leave)
        if (guests.size > maxWaiting) guests.values().next().value?.(false)
      }),
    close: () => {
      unsubscribe()
      settling?.cancel()
      letGo(false)
    },
  }
}
