// Connections whose peer has fallen silent. gRPC asks every peer for an answer every few seconds, so one that lives is heard. Silence counts only
// while this process listens: a control plane that is starved for seconds must not cut off all its peers when it comes round, at the moment
// at which their answers lie unread.
import { type Clock, createAwakeTime } from '../time/index.ts'

/** As far as a connection is looked at. */
export interface HeardConnection {
  /** Bytes that came so far. */
  readonly bytesRead: number
}

export interface SilenceWatch {
  /** Returns what ends it. `onSilent` is called once. */
  watch(connection: HeardConnection, onSilent: () => void): () => void
  stop(): void
}

interface Watched {
  readonly connection: HeardConnection
  readonly onSilent: () => void
  bytes: number
  /** Awake time at which the last bytes were seen. */
  heard: number
}

const beatMs = 1000

/** Looks once a second while there is anything to look at. `limitMs` of silence are too many. */
export function createSilenceWatch({ clock, limitMs }: { readonly clock: Clock; readonly limitMs: number }): SilenceWatch {
  const watched = new Set<Watched>()
  const look = (): void => {
    const now = awake.now()
    for (const each of watched) {
      const { bytesRead } = each.connection
      if (bytesRead !== each.bytes) {
        each.bytes = bytesRead
        each.heard = now
      } else if (now - each.heard >= limitMs) {
        forget(each)
        each.onSilent()
      }
    }
  }
  const awake = createAwakeTime({ clock, beatMs, beat: look })
  const forget = (each: Watched): void => {
    watched.delete(each)
    if (watched.size === 0) awake.stop()
  }
  return {
    watch: (connection, onSilent) => {
      awake.start()
      const each = { connection, onSilent, bytes: connection.bytesRead, heard: awake.now() }
      watched.add(each)
      return () => forget(each)
    },
    stop: () => {
      watched.clear()
      awake.stop()
    },
  }
}
