// POST /bootstrap at the zone's dataplane server, with the retry rules of contract/dataplane.md section 2.2: 404 without a body and
// server or connection errors are retried, any other refusal is final.
import { request } from 'node:https'
import { request as plainRequest } from 'node:http'
import { AppError, messageOf } from '@weft/foundation/errors'
import { field, textField } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'

export interface BootstrapCall {
  readonly cpAddress: string
  readonly ca: string | undefined
  readonly skipVerify: boolean
  readonly request: object
  readonly signal: AbortSignal
  readonly log: Logger
}

const maxDurationMs = 5 * 60_000
const requestTimeoutMs = 10_000

/** What the zone answers. */
export interface Bootstrap {
  /** The text of Envoy's bootstrap. */
  readonly text: string
  /** Address of the dataplane, '' when the zone does not say. */
  readonly address: string
}

/** The bootstrap; undefined when the signal came first. Throws bootstrap/refused when the zone says no, or when it stayed unreachable for five minutes. */
export async function fetchBootstrap(call: BootstrapCall): Promise<Bootstrap | undefined> {
  const body = JSON.stringify({ ...call.request, caCert: call.ca ?? '' })
  const until = performance.now() + maxDurationMs
  let waitMs = 200
  for (;;) {
    const answer = await post(call, body).catch((error: unknown) => ({ status: 0, text: messageOf(error) }))
    if (answer.status === 200) return decode(answer.text)
    if (speaksNoTls(answer)) {
      throw new AppError(
        'bootstrap/refused',
        `${call.cpAddress} does not speak TLS: is it the dataplane server of a zone? Its default port is 5678`,
      )
    }
    const retry = answer.status === 0 || answer.status >= 500 || (answer.status === 404 && answer.text === '')
    if (!retry) throw new AppError('bootstrap/refused', refusal(answer.status, answer.text))
    if (call.signal.aborted) return undefined
    if (performance.now() > until)
      throw new AppError('bootstrap/refused', `no bootstrap from ${call.cpAddress} for 5 minutes: ${answer.text || answer.status}`)
    call.log.warn({ component: 'dp', status: answer.status, err: answer.text.slice(0, 200), ms: waitMs }, 'no bootstrap yet, trying again')
    await pause(waitMs, call.signal)
    waitMs = Math.min(waitMs * 2, 3000)
  }
}

/** OpenSSL's words for a plain-text answer to a TLS greeting. */
function speaksNoTls(answer: { readonly status: number; readonly text: string }): boolean {
  return answer.status === 0 && /wrong version number|packet length too long|unknown protocol/i.test(answer.text)
}

function refusal(status: number, text: string): string {
  if (text.includes('Page Not Found'))
    return 'this address is not a dataplane server of a zone (it answers 404: Page Not Found); the default port is 5678'
  return `the zone refused (${status}): ${text}`
}

function decode(text: string): Bootstrap {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new AppError('bootstrap/refused', 'the answer is not JSON: is this the dataplane server of a zone?')
  }
  const encoded = field(value, 'bootstrap')
  if (typeof encoded !== 'string') throw new AppError('bootstrap/refused', 'the answer holds no bootstrap')
  const networking = field(field(value, 'kumaSidecarConfiguration'), 'networking')
  return { text: Buffer.from(encoded, 'base64').toString('utf8'), address: textField(networking, 'address') }
}

function post(call: BootstrapCall, body: string): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((done, fail) => {
    const url = new URL('/bootstrap', call.cpAddress)
    const options = {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', 'content-length': Buffer.byteLength(body) },
      signal: AbortSignal.any([call.signal, AbortSignal.timeout(requestTimeoutMs)]),
    }
    const onResponse = (response: import('node:http').IncomingMessage): void => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', fail)
      response.on('end', () => done({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }))
    }
    const sent =
      url.protocol === 'https:'
        ? request(url, { ...options, ...(call.ca ? { ca: call.ca } : {}), rejectUnauthorized: !call.skipVerify, agent: false }, onResponse)
        : plainRequest(url, options, onResponse)
    sent.on('error', fail)
    sent.end(body)
  })
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(finish, ms)
    function finish(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      done()
    }
    signal.addEventListener('abort', finish, { once: true })
  })
}
