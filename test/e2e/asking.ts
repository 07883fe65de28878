// Requests of a client that no proxy serves, one after the other or at once, and who answered them.
import { type IncomingHttpHeaders, request } from 'node:http'

export interface Answer {
  /** 0 when the connection was refused or closed without an answer; -1 when nothing came for `patienceMs`. */
  readonly status: number
  /** First line of the body: the instance that answered. */
  readonly by: string
  readonly headers: IncomingHttpHeaders
  readonly ms: number
}

/** A machine that stands still for a while is no answer of a proxy. */
const patienceMs = 60_000

/** One request on a connection of its own. */
export function ask(port: number, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const started = performance.now()
  return new Promise((done) => {
    const finish = (status: number, text: string, received: IncomingHttpHeaders): void =>
      done({ status, by: text.split('\n')[0] ?? '', headers: received, ms: performance.now() - started })
    const call = request({ host: '127.0.0.1', port, headers, agent: false, timeout: patienceMs }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('error', () => finish(0, '', {}))
      response.on('end', () => finish(response.statusCode ?? 0, text, response.headers))
    })
    call.on('timeout', () => {
      finish(-1, '', {})
      call.destroy()
    })
    call.on('error', () => finish(0, '', {}))
    call.end()
  })
}

/** So many requests, one after the other. */
export async function answers(count: number, one: (index: number) => Promise<Answer>): Promise<readonly Answer[]> {
  const all: Answer[] = []
  for (let index = 0; index < count; index++) all.push(await one(index))
  return all
}

/** Who answered, sorted. */
export const instances = (list: readonly Answer[]): readonly string[] => [...new Set(list.map((answer) => answer.by))].sort()
