// A steady stream of requests over kept connections, as a service under load sends them; every answer is counted.
import { Agent, request } from 'node:http'

export interface SteadyTraffic extends AsyncDisposable {
  readonly sent: number
  /** Status and first line of the answer, or the error in place of one, to how often; without the 200s. */
  readonly failures: ReadonlyMap<string, number>
  /** First line of the answer to how often. */
  readonly answers: ReadonlyMap<string, number>
  forget(): void
  stop(): Promise<void>
}

/** Sends `perSecond` requests a second to the url until stopped. */
export function startTraffic(url: string, perSecond: number): SteadyTraffic {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  const failures = new Map<string, number>()
  const answers = new Map<string, number>()
  const open = new Set<Promise<void>>()
  let sent = 0
  let running = true
  const one = (): Promise<void> =>
    new Promise((done) => {
      sent++
      const fail = (why: string): void => {
        failures.set(why, (failures.get(why) ?? 0) + 1)
        done()
      }
      const call = request(url, { agent, timeout: 60_000 }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('error', (error) => fail(error.message))
        response.on('end', () => {
          const line = text.split('\n')[0] ?? ''
          if (response.statusCode !== 200) return fail(`${response.statusCode} ${line}`)
          answers.set(line, (answers.get(line) ?? 0) + 1)
          done()
        })
      })
      call.on('timeout', () => call.destroy())
      call.on('error', (error) => fail(error.message))
      call.end()
    })
  const started = performance.now()
  const tick = (): void => {
    if (!running) return
    const due = ((performance.now() - started) / 1000) * perSecond
    while (sent < due) {
      const call = one().finally(() => open.delete(call))
      open.add(call)
    }
    setTimeout(tick, 5)
  }
  tick()
  const stop = async (): Promise<void> => {
    running = false
    await Promise.all(open)
    agent.destroy()
  }
  return {
    get sent() {
      return sent
    },
    failures,
    answers,
    forget: () => {
      failures.clear()
      answers.clear()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
