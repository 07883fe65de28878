// How far a zone is with each type, as it travels beside pings: only what has changed since it was told last.
import { type Messages, toNumber } from '@weft/proto'
import type { TypeProgress } from './change-progress.ts'
import type { ReceivedProgress } from './received-progress.ts'

type Message = Messages['weft.sync.v1.TypeProgress']

export function progressOf({ type = '', stored, pushed, acked, refusing = 0 }: Message): TypeProgress {
  return { type, stored: toNumber(stored), pushed: toNumber(pushed), acked: toNumber(acked), refusing }
}

/** The telling end of one stream. */
export interface ProgressTelling {
  /** The transport takes messages again. */
  drained(): void
  stop(): void
}

/** Tells everything once and then what changes, at most once a turn and never into a transport that is full. */
export function tellProgress(progress: ReceivedProgress, write: (progress: readonly Message[]) => boolean): ProgressTelling {
  const told = new Map<string, string>()
  let isScheduled = false
  let isBlocked = false
  let isStopped = false
  const tell = (): void => {
    isScheduled = false
    if (isBlocked || isStopped) return
    const news = progress.progress().filter((each) => told.get(each.type) !== JSON.stringify(each))
    if (news.length === 0) return
    for (const each of news) told.set(each.type, JSON.stringify(each))
    isBlocked = !write(news)
  }
  const schedule = (): void => {
    if (isScheduled || isStopped) return
    isScheduled = true
    setImmediate(tell)
  }
  const unfollow = progress.onChange(schedule)
  schedule()
  return {
    drained: () => {
      isBlocked = false
      schedule()
    },
    stop: () => {
      isStopped = true
      unfollow()
    },
  }
}
