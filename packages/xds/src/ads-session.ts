// One call of the discovery service from its first byte to its last: who is it, then a DeltaStream, then an end with a reason.
// The reader is paused only until the caller is known; nothing a caller sends can throw out of here.
import { type Metadata, type ServerDuplexStream, status } from '@grpc/grpc-js'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { type DeltaRequest, decodeDeltaRequest, type ProxyNode } from './delta-request.ts'
import type { DeltaStream } from './delta-stream.ts'
import type { CloseReason } from './stream-events.ts'

/** A call whose messages are bytes. */
export type AdsCall = ServerDuplexStream<Uint8Array, Uint8Array>

/** Who opened a stream, as far as it says itself. */
export interface Caller {
  readonly node: ProxyNode
  readonly metadata: Metadata
  /** The peer's network address. */
  readonly address: string
}

export interface SessionLimits {
  /** Larger requests end their stream. */
  readonly maxRequestBytes: number
  /** How long a new stream may take to say who it is. */
  readonly firstRequestMs: number
  /** How long authentication may take. */
  readonly authenticateMs: number
}

export interface SessionOptions {
  readonly limits: SessionLimits
  readonly clock: Clock
  readonly log: Logger
  /** Resolves to the stream of an authenticated caller. */
  readonly open: (caller: Caller, signal: AbortSignal) => Promise<DeltaStream>
  /** The call is over; `refusal` is the code of the error it ended with, if it did. */
  readonly onOver: (refusal: string | undefined) => void
}

interface Opening {
  readonly kind: 'opening'
  readonly nodeId: string
  /** Requests to handle once the stream is there; the first one is the one that opened it. */
  readonly early: DeltaRequest[]
  readonly abort: AbortController
}

type State =
  | { readonly kind: 'new' }
  | Opening
  | { readonly kind: 'open'; readonly nodeId: string; readonly stream: DeltaStream }
  | { readonly kind: 'over' }

/** Requests that may arrive while the first one is being answered. */
const maxEarlyRequests = 64

export class AdsSession {
  readonly #call: AdsCall
  readonly #options: SessionOptions
  #state: State = { kind: 'new' }
  #deadline: Timer | undefined
  #ending: Timer | undefined

  constructor(call: AdsCall, options: SessionOptions) {
    this.#call = call
    this.#options = options
  }

  start(): void {
    const call = this.#call
    this.#setDeadline(this.#options.limits.firstRequestMs, () =>
      this.#refuse(status.DEADLINE_EXCEEDED, new AppError('xds/bad-request', 'no discovery request arrived')),
    )
    call.on('data', (bytes: Buffer) => this.#receive(bytes))
    call.on('drain', () => this.#stream?.drained())
    call.on('end', () => {
      // a broken stream ends its reading side as well, and says so a moment later
      this.#ending = this.#options.clock.after(0, () => {
        this.#over('ended')
        call.end()
      })
    })
    call.on('cancelled', () => this.#over('cancelled'))
    call.on('error', () => this.#over('cancelled'))
  }

  /** Ends the call with UNAVAILABLE: the proxy tries elsewhere. */
  stop(text: string): void {
    if (this.#state.kind === 'over') return
    this.#over('stopped')
    endWith(this.#call, status.UNAVAILABLE, text)
  }

  /** Ends the call after an error of our own. */
  fail(error: unknown): void {
    this.#refuse(status.INTERNAL, error)
  }

  /** Writes one response; false when the transport wants no more for now. */
  write(response: Buffer): boolean {
    return this.#state.kind === 'over' ? false : this.#call.write(response)
  }

  get #stream(): DeltaStream | undefined {
    return this.#state.kind === 'open' ? this.#state.stream : undefined
  }

  #receive(bytes: Buffer): void {
    if (this.#state.kind === 'over') return
    if (bytes.length > this.#options.limits.maxRequestBytes) {
      this.#refuse(status.RESOURCE_EXHAUSTED, new AppError('xds/bad-request', `the discovery request has ${bytes.length} bytes`))
      return
    }
    try {
      this.#handle(decodeDeltaRequest(bytes))
    } catch (error) {
      this.#refuse(isOurFault(error) ? status.INTERNAL : status.INVALID_ARGUMENT, error)
    }
  }

  #handle(request: DeltaRequest): void {
    const state = this.#state
    if (state.kind === 'new') {
      this.#open(request)
      return
    }
    if (state.kind === 'over') return
    const nodeId = request.node?.id
    if (nodeId !== undefined && nodeId !== '' && nodeId !== state.nodeId) {
      throw new AppError('xds/bad-request', 'a discovery stream cannot change its node')
    }
    if (state.kind === 'open') state.stream.handle(request)
    else if (state.early.push(request) > maxEarlyRequests)
      throw new AppError('xds/bad-request', 'too many discovery requests before the first was answered')
  }

  #open(request: DeltaRequest): void {
    const nodeId = request.node?.id
    if (request.node === undefined || nodeId === undefined || nodeId === '') {
      throw new AppError('xds/bad-request', 'the first discovery request names no node')
    }
    const state: Opening = { kind: 'opening', nodeId, early: [request], abort: new AbortController() }
    this.#state = state
    this.#call.pause()
    this.#setDeadline(this.#options.limits.authenticateMs, () =>
      this.#refuse(
        status.UNAVAILABLE,
        new AppError('xds/unauthenticated', 'the proxy could not be authenticated in time', { retryable: true }),
      ),
    )
    const caller: Caller = { node: request.node, metadata: this.#call.metadata, address: this.#call.getPeer() }
    this.#options.open(caller, state.abort.signal).then(
      (stream) => this.#opened(state, stream),
      (error: unknown) => this.#refuse(admissionStatus(error), error),
    )
  }

  #opened(state: Opening, stream: DeltaStream): void {
    if (this.#state !== state) {
      stream.close('cancelled')
      return
    }
    this.#deadline?.cancel()
    this.#state = { kind: 'open', nodeId: state.nodeId, stream }
    try {
      for (const request of state.early) stream.handle(request)
    } catch (error) {
      this.#refuse(isOurFault(error) ? status.INTERNAL : status.INVALID_ARGUMENT, error)
      return
    }
    this.#call.resume()
  }

  #refuse(code: status, error: unknown): void {
    if (this.#state.kind === 'over') return
    const known = error instanceof AppError
    if (!known) this.#options.log.error({ err: messageOf(error) }, 'discovery stream failed')
    this.#over('refused', known ? error.code : 'internal')
    endWith(this.#call, code, known ? error.message : 'the control plane could not serve the stream')
  }

  #over(reason: CloseReason, refusal?: string): void {
    const state = this.#state
    if (state.kind === 'over') return
    this.#state = { kind: 'over' }
    this.#deadline?.cancel()
    this.#ending?.cancel()
    if (state.kind === 'opening') state.abort.abort()
    if (state.kind === 'open') state.stream.close(reason)
    this.#options.onOver(refusal)
  }

  #setDeadline(ms: number, expired: () => void): void {
    this.#deadline?.cancel()
    this.#deadline = this.#options.clock.after(ms, expired)
  }
}

function isOurFault(error: unknown): boolean {
  return !(error instanceof AppError)
}

/** Ends a call with an error that the caller is shown. */
export function endWith(call: AdsCall, code: status, details: string): void {
  // grpc-js sends the status of an error that a call emits; without a listener of its own that would be an uncaught one
  if (call.listenerCount('error') === 0) call.on('error', () => {})
  // it is put into a header, for which half a surrogate pair is fatal
  const text = details.toWellFormed()
  call.emit('error', Object.assign(new Error(text), { code, details: text }))
}

/** How a stream of a proxy that is not let in ends (contract/dataplane.md section 5.2): UNKNOWN, except for what it should simply try again, or later. */
export function admissionStatus(error: unknown): status {
  if (hasCode(error, 'budget/exhausted')) return status.RESOURCE_EXHAUSTED
  const again = hasCode(error, 'token/keys-missing') || (error instanceof AppError && error.retryable)
  return again ? status.UNAVAILABLE : status.UNKNOWN
}
