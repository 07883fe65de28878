// Tells the log about types that get too large: once when a type is near the limit of a message, once when it is over it.
import type { Logger } from '@weft/foundation/log'
import type { SendingType } from './sending-type.ts'
import { listLimitBytes, sizeOf } from './type-size.ts'

/** To be called after every change of what is sent. `chunked`: the peer takes lists in parts. */
export function tellSize(state: SendingType, { log, chunked }: { readonly log: Logger; readonly chunked: boolean }): void {
  const size = state.bytes > listLimitBytes / 2 || state.phase === 'withheld' ? sizeOf(state, chunked) : undefined
  if (size?.state === state.sizeTold) return
  state.sizeTold = size?.state
  if (!size) return
  const fields = { type: size.type, bytes: size.bytes, count: size.count, limitBytes: size.limitBytes, largest: size.largest }
  if (size.state === 'withheld') log.error(fields, 'kds list is larger than the peer accepts and is not sent')
  else log.warn(fields, 'kds list is large; past the limit it could not be sent again')
}
