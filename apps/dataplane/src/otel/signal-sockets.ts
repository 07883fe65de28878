// The sockets on which Envoy hands over traces, logs and metrics, one for each collector of `/otel`: gRPC whatever the collector speaks, sent on
// byte for byte (contract/dataplane.md sections 3.3 and 10). Nothing is kept: Envoy hears whether the collector took a request, and a collector that is slow or away
// costs its own signals only.
import { chmodSync, rmSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, status } from '@grpc/grpc-js'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { type CollectorConnection, connectCollector, exportService, SendError } from './collector-connection.ts'
import { type Signal, signals } from './otlp-env.ts'
import type { BackendPlan, SignalPlan } from './signal-plan.ts'

export interface SignalSocketsOptions {
  /** Where the sockets are; a path elsewhere is refused. */
  readonly workDir: string
  readonly clock: Clock
  readonly log: Logger
}

export interface SignalSockets {
  /** Serves these backends and no others. Those that did not change are left alone. */
  configure(plans: readonly BackendPlan[]): void
  close(): Promise<void>
}

/** Envoy's exporters write some hundred KiB at most; this is gRPC's own default. */
const maxRequestBytes = 4 * 1024 * 1024
/** Requests of one connection; Envoy has one for each worker. */
const maxStreams = 32
/** What may be under way to one collector. More is refused, and Envoy counts it. */
const maxUnderWayBytes = 16 * 1024 * 1024
const socketPrefix = 'kuma-otel-'
const retryMs = 5_000

export function createSignalSockets({ workDir, clock, log }: SignalSocketsOptions): SignalSockets {
  const sockets = new Map<string, SignalSocket>()
  let wanted: ReadonlyMap<string, BackendPlan> = new Map()
  let isClosed = false
  let retry: Timer | undefined
  // one at a time, and always towards the latest: sockets of one path must not overlap
  let work: Promise<void> = Promise.resolve()

  const settle = async (): Promise<void> => {
    for (const [path, socket] of sockets) {
      if (wanted.has(path)) continue
      sockets.delete(path)
      await socket.close()
    }
    for (const [path, plan] of wanted) {
      const socket = sockets.get(path)
      if (socket) socket.follow(plan)
      else await open(path, plan)
    }
  }
  const open = async (path: string, plan: BackendPlan): Promise<void> => {
    try {
      sockets.set(path, await openSocket(path, plan, log))
      log.info({ component: 'dp.otel', name: plan.name, path }, 'signals for a collector are taken')
    } catch (error) {
      log.warn({ component: 'dp.otel', name: plan.name, path, err: messageOf(error) }, 'cannot listen for signals, trying again')
      retry ??= clock.after(retryMs, () => {
        retry = undefined
        if (!isClosed) run()
      })
    }
  }
  const run = (): void => {
    work = work.then(settle)
  }
  return {
    configure: (plans) => {
      if (isClosed) return
      const own = plans.filter(({ name, socketPath }) => {
        const isOwn = dirname(socketPath) === workDir && basename(socketPath).startsWith(socketPrefix)
        if (!isOwn) log.warn({ component: 'dp.otel', name, path: socketPath }, 'the socket of a collector is not in the work folder')
        return isOwn
      })
      wanted = new Map(own.map((plan) => [plan.socketPath, plan]))
      run()
    },
    close: async () => {
      isClosed = true
      retry?.cancel()
      wanted = new Map()
      run()
      await work
    },
  }
}

interface SignalSocket {
  /** Sends to where this plan says from now on. */
  follow(plan: BackendPlan): void
  close(): Promise<void>
}

async function openSocket(path: string, plan: BackendPlan, log: Logger): Promise<SignalSocket> {
  const forwarder = createForwarder(plan, log)
  const server = new Server({ 'grpc.max_receive_message_length': maxRequestBytes, 'grpc.max_concurrent_streams': maxStreams })
  for (const signal of signals) {
    const answer = async (request: Buffer, done: sendUnaryData<Buffer>): Promise<void> => {
      try {
        done(null, Buffer.from(await forwarder.forward(signal, request)))
      } catch (error) {
        done({ code: error instanceof SendError ? error.code : status.INTERNAL, details: messageOf(error) })
      }
    }
    const take = ({ request }: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => void answer(request, done)
    server.addService(exportService(signal), { Export: take })
  }
  // of an earlier life of this work folder
  rmSync(path, { force: true })
  await new Promise<void>((done, fail) =>
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => (error ? fail(error) : done())),
  )
  chmodSync(path, 0o600)
  return {
    follow: (next) => forwarder.follow(next),
    close: async () => {
      server.forceShutdown()
      forwarder.close()
      rmSync(path, { force: true })
    },
  }
}

interface Forwarder {
  /** Rejects with SendError. */
  forward(signal: Signal, request: Uint8Array): Promise<Uint8Array>
  follow(plan: BackendPlan): void
  close(): void
}

type Route = { readonly connection: CollectorConnection } | { readonly unavailable: string }

function createForwarder(first: BackendPlan, log: Logger): Forwarder {
  let plan = first
  let routes = routesOf(first, log)
  let underWayBytes = 0
  const failing = new Set<Signal>()
  const closeAll = (): void => {
    for (const connection of routes.connections) connection.close()
  }
  return {
    forward: async (signal, request) => {
      const route = routes.bySignal.get(signal)
      if (route === undefined || 'unavailable' in route)
        throw new SendError(status.FAILED_PRECONDITION, `${signal} are not sent: ${route?.unavailable ?? 'unknown signal'}`)
      if (underWayBytes + request.length > maxUnderWayBytes)
        throw new SendError(status.RESOURCE_EXHAUSTED, `too much is under way to the collector ${plan.name}`)
      underWayBytes += request.length
      try {
        const answer = await route.connection.send(signal, request)
        if (failing.delete(signal)) log.info({ component: 'dp.otel', name: plan.name, signal }, 'a signal is sent on again')
        return answer
      } catch (error) {
        if (!failing.has(signal))
          log.warn(
            { component: 'dp.otel', name: plan.name, signal, err: messageOf(error) },
            'cannot send a signal on; further failures are not said',
          )
        failing.add(signal)
        throw error
      } finally {
        underWayBytes -= request.length
      }
    },
    follow: (next) => {
      if (JSON.stringify(next) === JSON.stringify(plan)) return
      plan = next
      closeAll()
      failing.clear()
      routes = routesOf(next, log)
      log.info({ component: 'dp.otel', name: plan.name }, 'signals go to another place or in another way')
    },
    close: closeAll,
  }
}

interface Routes {
  readonly bySignal: ReadonlyMap<Signal, Route>
  readonly connections: readonly CollectorConnection[]
}

/** Signals of equal destinations share a connection. */
function routesOf({ name, signals: plans }: BackendPlan, log: Logger): Routes {
  const connections = new Map<string, CollectorConnection>()
  const route = (plan: SignalPlan): Route => {
    if ('unavailable' in plan) return plan
    const key = JSON.stringify(plan.to)
    try {
      const connection = connections.get(key) ?? connectCollector(plan.to)
      connections.set(key, connection)
      return { connection }
    } catch (error) {
      log.error({ component: 'dp.otel', name, err: messageOf(error) }, 'a collector cannot be called as the environment says')
      return { unavailable: messageOf(error) }
    }
  }
  const bySignal = new Map(signals.map((signal): [Signal, Route] => [signal, route(plans[signal])]))
  return { bySignal, connections: [...connections.values()] }
}
