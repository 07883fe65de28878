// Constant calls while something is being broken: what fails is counted.
import { http } from './rest.ts'

export interface Load {
  readonly sent: number
  readonly failed: number
  stop(): Promise<void>
}

/** Calls every url about every 20 ms until stopped. */
export function startLoad(urls: readonly string[]): Load {
  let sent = 0
  let failed = 0
  let running = true
  const loops = urls.map(async (url) => {
    while (running) {
      const answer = await http('GET', url)
      sent++
      if (answer.status !== 200) failed++
      await new Promise((next) => setTimeout(next, 20))
    }
  })
  return {
    get sent() {
      return sent
    },
    get failed() {
      return failed
    },
    stop: async () => {
      running = false
      await Promise.all(loops)
    },
  }
}
