// What is read from files and follows them. Invariant: `current` is always a value that was read whole; a broken replacement is refused with a
// warning and the last good value stays.
import { messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import type { Clock } from '../time/index.ts'
import { watchFiles } from './watch-files.ts'

export interface ValueFromFiles<T> {
  readonly current: T
  /** Called after each replacement. Returns the unsubscriber. */
  onChange(listener: (value: T) => void): () => void
  /** Stops watching. */
  close(): void
}

export interface ValueFromFilesOptions<T> {
  readonly files: readonly string[]
  /** Reads and checks the files; what it throws is thrown at the first load and logged at a reload. */
  readonly read: () => Promise<T>
  readonly isSame: (a: T, b: T) => boolean
  /** The file that log lines name. */
  readonly file: string
  /** The log lines of a replacement and of a refused one. */
  readonly messages: { readonly replaced: string; readonly refused: string }
  readonly clock: Clock
  readonly log: Logger
}

/** Reads the value and watches its files. Errors: those of `read`. */
export async function loadFromFiles<T>(options: ValueFromFilesOptions<T>): Promise<ValueFromFiles<T>> {
  const { files, read, isSame, file, messages, log } = options
  let current = await read()
  const listeners = new Set<(value: T) => void>()
  const reload = async (): Promise<void> => {
    try {
      const next = await read()
      if (isSame(next, current)) return
      current = next
      log.info({ file }, messages.replaced)
      for (const listener of listeners) listener(next)
    } catch (error) {
      log.warn({ file, err: messageOf(error) }, messages.refused)
    }
  }
  const stopWatching = watchFiles(files, () => void reload(), options)
  return {
    get current() {
      return current
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => {
      stopWatching()
      listeners.clear()
    },
  }
}
