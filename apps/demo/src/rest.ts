// The few REST calls the demo needs, and waiting for what they show.
import { request } from 'node:http'

export interface HttpAnswer {
  /** 0 when there was no answer. */
  readonly status: number
  readonly text: string
}

/** One HTTP request on loopback; never throws. `patienceMs` is how long the other side may say nothing. */
export function http(method: string, url: string, body?: unknown, patienceMs = 30_000): Promise<HttpAnswer> {
  return new Promise((done) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const sent = request(
      url,
      { method, timeout: patienceMs, agent: false, headers: text === undefined ? {} : { 'content-type': 'application/json' } },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', () => done({ status: 0, text: '' }))
        response.on('end', () => done({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }))
      },
    )
    sent.on('timeout', () => sent.destroy())
    sent.on('error', (error) => done({ status: 0, text: error.message }))
    sent.end(text)
  })
}

/** Writes a resource and throws with the answer when it is refused. */
export async function put(api: string, path: string, resource: object): Promise<void> {
  const answer = await http('PUT', `${api}${path}`, resource)
  if (answer.status !== 200 && answer.status !== 201) throw new Error(`PUT ${path}: ${answer.status} ${answer.text}`)
}

/** A JSON answer, or undefined when there is none with status 200. */
export async function getJson(url: string, patienceMs?: number): Promise<unknown> {
  const answer = await http('GET', url, undefined, patienceMs)
  try {
    return answer.status === 200 ? JSON.parse(answer.text) : undefined
  } catch {
    return undefined
  }
}

/** Asks again every few milliseconds until the answer is true; resolves with the milliseconds it took. Patient with a busy machine. */
export async function until(what: string, ask: () => Promise<boolean>, timeoutMs = 120_000): Promise<number> {
  const start = performance.now()
  while (!(await ask())) {
    if (performance.now() - start > timeoutMs) throw new Error(`${what}: not within ${timeoutMs / 1000} s`)
    await new Promise((next) => setTimeout(next, 5))
  }
  return performance.now() - start
}

/** A token with which a zone control plane joins, made by its global as soon as that has its keys. */
export function zoneToken(globalApi: string, zone: string): Promise<string> {
  const ask = () => http('POST', `${globalApi}/tokens/zone`, { zone, scope: ['cp'], validFor: '720h' })
  return issued(`a token for zone ${zone}`, ask)
}

/** A token for proxies of a workload, made as soon as its mesh has its keys there. */
export function dataplaneToken(
  api: string,
  workload: string,
  { mesh = 'default', timeoutMs }: { readonly mesh?: string; readonly timeoutMs?: number } = {},
): Promise<string> {
  const ask = () => http('POST', `${api}/tokens/dataplane`, { mesh, workload, validFor: '24h' })
  return issued(`a token for ${workload}`, ask, timeoutMs)
}

async function issued(what: string, ask: () => Promise<HttpAnswer>, timeoutMs?: number): Promise<string> {
  let said: HttpAnswer = { status: 0, text: '' }
  const isIssued = async (): Promise<boolean> => {
    said = await ask()
    return said.status === 200
  }
  await until(what, isIssued, timeoutMs).catch((error: unknown) => {
    throw new Error(`${String(error)}; the last answer: ${said.status} ${said.text}`, { cause: error })
  })
  return said.text.trim()
}
