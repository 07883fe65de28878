// Holds a stream back until its control plane has the session of its zone. What arrives meanwhile waits in the transport.
import { status } from '@grpc/grpc-js'
import { hasCode, messageOf } from '@weft/foundation/errors'
import { nodeFacts } from './peer.ts'
import type { ServerStream, StreamHandler } from './server-stream.ts'
import { decodeRequest } from './wire.ts'
import type { SessionStreamName, ZoneSessions } from './zone-sessions.ts'

/** Opens the stream once it may act. The first request from global to zone tells which control plane a stock zone is. */
export function gateStream(
  stream: ServerStream,
  { sessions, name, open }: { readonly sessions: ZoneSessions; readonly name: SessionStreamName; open(): StreamHandler },
): StreamHandler {
  const place = sessions.enter(stream, name)
  const waiting: Buffer[] = []
  let handler: StreamHandler | undefined = place.isSettled ? open() : undefined
  let isIdentified = name !== 'globalToZone' || stream.instanceId !== ''
  let isClosed = false

  if (!handler) {
    place.settled.then(
      () => {
        if (isClosed) return
        handler = open()
        for (const bytes of waiting.splice(0)) stream.run(() => handler?.data(bytes))
        stream.proceed()
      },
      (error: unknown) => {
        if (!hasCode(error, 'kds/fenced')) return stream.end(status.UNAVAILABLE, messageOf(error))
        stream.end(status.FAILED_PRECONDITION, messageOf(error), Number(error.details['epoch']))
      },
    )
  }
  return {
    data: (bytes) => {
      if (!isIdentified) {
        isIdentified = true
        const { node } = decodeRequest(bytes)
        if (node) place.identified(nodeFacts(node).instanceId)
      }
      if (handler) return handler.data(bytes)
      waiting.push(bytes)
      stream.pause()
    },
    drained: () => handler?.drained?.(),
    closed: (outcome) => {
      isClosed = true
      place.left()
      handler?.closed(outcome)
    },
  }
}
