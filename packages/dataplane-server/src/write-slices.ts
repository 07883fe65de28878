// Hands large messages to HTTP/2 in slices. What is encrypted at once lies in buffers of which the connection keeps most for good: a response
// of 300 KB in one write leaves 250 KiB with every proxy, in slices of less than a TLS record it leaves 17 (ADR 27).
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ServerHttp2Stream } from 'node:http2'

/** With the headers of its frame and its record, a slice fits into one buffer of 16 KiB. */
export const sliceBytes = 15 * 1024

const streamCreated = 'http2.server.stream.created'

/** Slices what is written on every HTTP/2 stream of this process that is opened for one of these paths. Returns the end of it. */
export function sliceWritesTo(paths: ReadonlySet<string>): () => void {
  const slice = (message: unknown): void => {
    // the runtime's documentation of the channel names both
    const { stream, headers } = message as { readonly stream: ServerHttp2Stream; readonly headers: Readonly<Record<string, unknown>> }
    if (paths.has(String(headers[':path']))) sliceWrites(stream)
  }
  subscribe(streamCreated, slice)
  return () => void unsubscribe(streamCreated, slice)
}

/** Makes the writes of one stream small. Order, back-pressure, the end and when a callback is called stay as they are. */
function sliceWrites(stream: ServerHttp2Stream): void {
  const write = (...args: readonly unknown[]): boolean => Reflect.apply(whole, stream, args) as boolean
  const whole = stream.write
  // with it, all slices that wait would be handed over at once
  Object.defineProperty(stream, '_writev', { value: null })
  stream.write = (chunk: unknown, ...rest: readonly unknown[]): boolean => {
    if (!(chunk instanceof Uint8Array) || chunk.length <= sliceBytes) return write(chunk, ...rest)
    let at = 0
    for (; at + sliceBytes < chunk.length; at += sliceBytes) write(chunk.subarray(at, at + sliceBytes))
    return write(chunk.subarray(at), ...rest)
  }
}
