// Preloaded into a control plane under test: its wall clock is CHAOS_CLOCK_AHEAD_MS ahead, and on SIGUSR2 jumps to what the file behind
// CHAOS_CLOCK_FILE holds, as after a correction by NTP or a resumed machine. The monotonic clock goes on, as it does then.
import { readFileSync } from 'node:fs'

const RealDate = Date
let offsetMs = Number(process.env.CHAOS_CLOCK_AHEAD_MS ?? 0)

class ShiftedDate extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + offsetMs)
    else super(...parts)
  }

  static now() {
    return RealDate.now() + offsetMs
  }
}

globalThis.Date = ShiftedDate
process.on('SIGUSR2', () => {
  offsetMs = Number(readFileSync(process.env.CHAOS_CLOCK_FILE ?? '', 'utf8'))
})
