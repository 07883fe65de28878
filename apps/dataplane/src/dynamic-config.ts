// What the control plane tells the launcher through Envoy: JSON texts behind paths of one Unix socket (contract/dataplane.md section 10). Envoy cannot
// announce a change, so the socket is asked, with the tag of the last answer.
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { type HttpAnswer, httpGet } from './http-get.ts'

/** One path and who follows it. */
export interface DynamicConfigPath {
  /** With its leading slash. */
  readonly path: string
  /** A body that differs from the last one. What it throws is logged, and the body counts as not seen. */
  onConfig(value: unknown): void
  /** The control plane has nothing more to say here. Not called before the first body. */
  onGone(): void
}

export interface DynamicConfigOptions {
  readonly socketPath: string
  readonly paths: readonly DynamicConfigPath[]
  readonly clock: Clock
  readonly log: Logger
  /** How a path is asked; tests give their own. */
  readonly get?: (path: string, etag: string | undefined) => Promise<HttpAnswer>
}

export interface DynamicConfig {
  close(): void
}

/** As often as stock launchers. */
const intervalMs = 1_000
/** Until Envoy has answered for the first time: applications wait for their names. */
const firstIntervalMs = 100
/** Envoy leaves the socket's file behind when a listener goes; while it replaces one, a connection may fail. */
const refusalsUntilGone = 3

interface Followed {
  readonly path: DynamicConfigPath
  etag: string | undefined
  isKnown: boolean
  failure: string
}

/** Asks until closed. A missing socket is no failure: Envoy starts, or there is nothing to say. */
export function followDynamicConfig(options: DynamicConfigOptions): DynamicConfig {
  const { socketPath, clock, log } = options
  const get = options.get ?? ((path, etag) => httpGet({ socketPath, path, headers: etag === undefined ? {} : { 'if-none-match': etag } }))
  const followed: readonly Followed[] = options.paths.map((path) => ({ path, etag: undefined, isKnown: false, failure: '' }))
  let refusals = 0
  let hasAnswered = false
  let isClosed = false
  let timer: Timer | undefined

  const gone = (each: Followed): void => {
    each.etag = undefined
    if (!each.isKnown) return
    each.isKnown = false
    log.info({ component: 'dp.config', path: each.path.path }, 'dynamic configuration is gone')
    each.path.onGone()
  }
  const take = (each: Followed, answer: HttpAnswer): void => {
    if (answer.status === 304) return
    if (answer.status === 404) return gone(each)
    if (answer.status !== 200) throw new AppError('process/bad-config', `${each.path.path} answers ${answer.status}`)
    each.etag = undefined
    each.path.onConfig(JSON.parse(answer.text))
    each.etag = answer.etag
    each.isKnown = true
    log.debug({ component: 'dp.config', path: each.path.path }, 'dynamic configuration changed')
  }
  /** False when nobody listens: then the other paths need not be asked. */
  const ask = async (each: Followed): Promise<boolean> => {
    try {
      const answer = await get(each.path.path, each.etag)
      if (isClosed) return false
      refusals = 0
      hasAnswered = true
      take(each, answer)
      each.failure = ''
    } catch (error) {
      if (isClosed) return false
      if (isAbsent(error)) return false
      const failure = messageOf(error)
      // the same failure every second is said once
      if (failure !== each.failure)
        log.warn({ component: 'dp.config', path: each.path.path, err: failure }, 'cannot read dynamic configuration')
      each.failure = failure
    }
    return true
  }
  const round = async (): Promise<void> => {
    let isListening = true
    for (const each of followed) {
      isListening = await ask(each)
      if (!isListening) break
    }
    if (isClosed) return
    if (!isListening && ++refusals === refusalsUntilGone) followed.forEach(gone)
    timer = clock.after(hasAnswered ? intervalMs : firstIntervalMs, () => void round())
  }
  void round()
  return {
    close: () => {
      isClosed = true
      timer?.cancel()
    },
  }
}

/** No socket, or one that nobody listens on. */
function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ECONNREFUSED'
}
