// One probe of an ingress of another zone: a TCP connection, and on it the reserved server name that our own ingresses answer. An ingress
// that has answered once has to answer again: a load balancer in front of a dead ingress still accepts connections.
import { connect } from 'node:net'
import type { Clock } from '@weft/foundation/time'
import { ingressProbe } from '@weft/resources'
import { clientHello } from './client-hello.ts'

export interface ProbeTarget {
  /** IP address. */
  readonly address: string
  readonly port: number
  /** It has answered the reserved name before. */
  readonly expectsAnswer: boolean
}

export type ProbeResult =
  | {
      readonly ok: true
      /** Until the connection stood. */
      readonly roundTripMs: number
      /** It answered the reserved name. */
      readonly answered: boolean
    }
  | { readonly ok: false; readonly problem: string }

export type Probe = (target: ProbeTarget) => Promise<ProbeResult>

/** Longest probe. */
export const probeLimitMs = 3_000
/** How long an ingress that never answered may take to do so. */
const answerWaitMs = 1_000

/** Probes over real sockets. Never rejects. */
export function createProbe(clock: Clock): Probe {
  return ({ address, port, expectsAnswer }) =>
    new Promise((resolve) => {
      const started = clock.monotonic()
      let connectedMs: number | undefined
      let received = ''
      const socket = connect({ host: address, port })
      const end = (problem: string): void => {
        limit.cancel()
        wait?.cancel()
        socket.destroy()
        const answered = received.startsWith(ingressProbe.answer)
        if (connectedMs !== undefined && (answered || !expectsAnswer)) resolve({ ok: true, roundTripMs: connectedMs, answered })
        else resolve({ ok: false, problem: connectedMs === undefined ? problem : 'it accepts connections but does not answer' })
      }
      const limit = clock.after(probeLimitMs, () => end(`no connection within ${probeLimitMs / 1000} s`))
      let wait: ReturnType<Clock['after']> | undefined
      socket.once('connect', () => {
        connectedMs = clock.monotonic() - started
        if (!expectsAnswer) wait = clock.after(answerWaitMs, () => end(''))
        socket.write(clientHello(ingressProbe.serverName))
      })
      socket.on('data', (bytes) => {
        received += bytes.toString('latin1')
        if (received.length >= ingressProbe.answer.length) end('')
      })
      socket.once('error', (error) => end(error.message))
      socket.once('close', () => end('the connection was closed'))
    })
}
