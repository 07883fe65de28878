// Notices that files were replaced. Folders are watched, not files: a replaced file or symbolic link has another inode.
import { watch } from 'node:fs'
import { dirname } from 'node:path'
import { messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import type { Clock, Timer } from '../time/index.ts'

/** Editors and orchestrators replace files in several steps: wait for the last one. */
const settleMs = 200

/** Calls `onChange` 200 ms after the last event in the folders of these files. Returns what stops it. */
export function watchFiles(
  files: readonly string[],
  onChange: () => void,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): () => void {
  let timer: Timer | undefined
  const settle = (): void => {
    timer?.cancel()
    timer = clock.after(settleMs, onChange)
  }
  const watchers = [...new Set(files.map((file) => dirname(file)))].flatMap((folder) => {
    try {
      const watcher = watch(folder, { persistent: false }, settle)
      watcher.on('error', (error) => log.warn({ folder, err: messageOf(error) }, 'folder of TLS files is no longer watched'))
      return [watcher]
    } catch (error) {
      log.warn({ folder, err: messageOf(error) }, 'folder of TLS files cannot be watched')
      return []
    }
  })
  return () => {
    timer?.cancel()
    for (const watcher of watchers) watcher.close()
  }
}
