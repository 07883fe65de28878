// Settings under which a control plane has a wall clock of its own.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Environment of a process whose wall clock starts this far ahead, and jumps to what `file` holds at SIGUSR2. */
export function shiftedClock(aheadMs: number, file = ''): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'clock-shift.mjs')).href}`,
    CHAOS_CLOCK_AHEAD_MS: String(aheadMs),
    CHAOS_CLOCK_FILE: file,
  }
}
