// What is told of sessions that ended: one line for operators, in words that name the cause.
import { status } from '@grpc/grpc-js'
import type { Logger } from '@weft/foundation/log'
import type { SessionOutcome } from './client-session.ts'
import type { GlobalAddress } from './global-channel.ts'

/** What an operator should make of the status. */
export function explainOutcome({ code, details, stream }: SessionOutcome, { target, tls }: GlobalAddress): string {
  const text = details
    .replace(/^No connection established\. Last error: (?:Error: )?/, '')
    .replace(/\.? Resolution note: *$/, '')
    .replace(/ \(\d{4}-[^)]*Z\)/, '')
    .trim()
  if (stream === 'credentials') return `the credentials of this zone cannot be used: ${text}`
  if (code === status.UNIMPLEMENTED)
    return `${target} answers, but it is not the sync port of a global control plane (default 5685): ${text}`
  if (code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED) return `${target} does not admit this zone: ${text}`
  if (tls && /wrong version number|packet length too long|unexpected message|EPROTO/i.test(text))
    return `${target} does not speak TLS; use grpc:// or check the port`
  if (!tls && /^Failed to connect$/i.test(text)) return `${target} does not accept plaintext; use grpcs:// or check the port`
  // a TLS port that does not offer HTTP/2 ends the handshake with this alert
  if (/protocol error|HTTP status code|nghttp2|no application protocol/i.test(text))
    return `${target} is not the sync port of a global control plane (default 5685): ${text}`
  if (/self[- ]signed|unable to (get|verify)|certificate|altnames/i.test(text))
    return `the certificate of ${target} cannot be verified: ${text}`
  return text || `connection to ${target} ended with ${status[code]}`
}

/** Tells once what became of a session, and again only in detail. */
export function reportOutcome(
  log: Logger,
  {
    outcome,
    text,
    retryMs,
    isNews,
  }: { readonly outcome: SessionOutcome; readonly text: string; readonly retryMs: number; readonly isNews: boolean },
): void {
  const fields = { code: status[outcome.code], stream: outcome.stream, reason: text, retryMs }
  if (!isNews) log.debug(fields, 'kds global still not reachable')
  else if (outcome.code === status.UNIMPLEMENTED)
    log.error({ ...fields, error: 'kds/wrong-peer' }, 'kds peer is not a global control plane')
  else if (outcome.code === status.UNAUTHENTICATED) log.error({ ...fields, error: 'kds/unauthenticated' }, 'kds zone not admitted')
  else log.warn(fields, 'kds connection to global lost')
}
