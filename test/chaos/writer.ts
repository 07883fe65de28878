// An operator of one control plane who never rests: numbered edits, one at a time, and things that come and go.
import { request } from 'node:http'
import { authorLabel } from './canonical.ts'
import { type History, type Key, keyOf, type Place } from './history.ts'
import type { Random } from './random.ts'

export interface Writer {
  /** Writes from time to time until paused. */
  resume(): void
  /** Resolves when nothing is in flight. */
  pause(): Promise<void>
  /** Everything it ever made and all that stays, once more: after its control plane forgot, deletions too. Resolves when all of it is acknowledged. */
  rewrite(): Promise<void>
  /** One edit of the policy that every proxy follows; its value once acknowledged. Only at global. */
  edit(): Promise<number>
  /** The policy that every proxy follows. Only at global. */
  readonly followed: Key
  /** The last value of it that was written, acknowledged or not. */
  readonly attempted: number
  /** Answers that were neither success nor a broken connection. */
  readonly refusals: readonly string[]
}

interface Subject {
  readonly type: string
  readonly path: string
  readonly name: string
  value: number
  /** False: made and deleted by turns. */
  readonly stays: boolean
  exists: boolean
  body(value: number): object
}

const paceMs = 70
const mesh = 'default'
/** Above any time-out that a real policy or default has. */
const firstValue = 20_000

export function createWriter(
  place: Place,
  { api, history, random }: { readonly api: string; readonly history: History; readonly random: Random },
): Writer {
  const isGlobal = place === 'global'
  const labels = { [authorLabel]: place, ...(!isGlobal && { 'kuma.io/origin': 'zone' }) }
  const timeout = (name: string, { stays = true, everywhere = false } = {}): Subject => ({
    type: 'MeshTimeout',
    path: `/meshes/${mesh}/meshtimeouts/${name}`,
    name,
    value: firstValue,
    stays,
    exists: false,
    body: (value) => ({
      type: 'MeshTimeout',
      mesh,
      name,
      labels,
      spec: {
        to: [
          {
            targetRef: everywhere ? { kind: 'Mesh' } : { kind: 'MeshService', labels: { 'kuma.io/display-name': 'nowhere' } },
            default: { connectionTimeout: `${value}ms` },
          },
        ],
      },
    }),
  })
  const service: Subject = {
    type: 'MeshService',
    path: `/meshes/${mesh}/meshservices/hand-${place}`,
    name: `hand-${place}`,
    value: firstValue,
    stays: true,
    exists: false,
    body: (value) => ({
      type: 'MeshService',
      mesh,
      name: `hand-${place}`,
      labels,
      spec: {
        selector: { dataplaneLabels: { matchLabels: { app: 'nowhere' } } },
        ports: [{ port: 80, targetPort: value, appProtocol: 'http' }],
      },
    }),
  }
  const everywhere = timeout('everywhere', { everywhere: true })
  const subjects = isGlobal
    ? [everywhere, timeout('steady-0'), timeout('steady-1'), ...[0, 1, 2].map((n) => timeout(`passing-${n}`, { stays: false }))]
    : [timeout(`steady-${place}`), service, ...[0, 1].map((n) => timeout(`passing-${place}-${n}`, { stays: false }))]
  const refusals: string[] = []
  let running: Promise<void> | undefined
  let isPaused = true

  /** One write at a time: two in flight could be carried out in either order. */
  let last: Promise<unknown> = Promise.resolve()
  const write = (subject: Subject, isDeletion: boolean): Promise<boolean> => {
    const next = last.then(() => writeNow(subject, isDeletion))
    last = next
    return next
  }
  const writeNow = async (subject: Subject, isDeletion: boolean): Promise<boolean> => {
    if (!isDeletion) subject.value++
    const value = isDeletion ? undefined : subject.value
    const id = nextId++
    history.add({ kind: 'write', id, place, key: keyOf(subject.type, mesh, isGlobal ? '' : place, subject.name), value })
    const answer = await send(isDeletion ? 'DELETE' : 'PUT', `${api}${subject.path}`, isDeletion ? undefined : subject.body(subject.value))
    // a deletion whose first answer was lost finds nothing
    const isDone = answer.status === 200 || answer.status === 201 || (isDeletion && answer.status === 404)
    if (isDone) {
      history.add({ kind: 'acknowledged', id, changedNothing: answer.status === 404 })
      subject.exists = !isDeletion
    } else if (!isBusy(answer.status)) refusals.push(`${place}: ${subject.path}: ${answer.status} ${answer.text.slice(0, 200)}`)
    return isDone
  }
  /** Until it is acknowledged. */
  const persist = async (subject: Subject): Promise<void> => {
    while (!(await write(subject, false))) await new Promise((next) => setTimeout(next, paceMs))
  }
  const loop = async (): Promise<void> => {
    while (!isPaused) {
      const subject = random.pick(subjects)
      const isDone = await write(subject, !subject.stays && subject.exists)
      await new Promise((next) => setTimeout(next, isDone ? paceMs : 3 * paceMs))
    }
  }
  return {
    refusals,
    followed: keyOf(everywhere.type, mesh, '', everywhere.name),
    get attempted() {
      return everywhere.value
    },
    resume: () => {
      if (!isPaused) return
      isPaused = false
      running = loop()
    },
    pause: async () => {
      isPaused = true
      await running
    },
    rewrite: async () => {
      // also what it had no time to write before it was stopped: without any policy of the place nobody could tell that global lists them
      for (const subject of subjects) if (subject.stays || subject.value > firstValue) await persist(subject)
    },
    edit: async () => {
      await persist(everywhere)
      return everywhere.value
    },
  }
}

/** No answer, or one that says that the request was not carried out because somebody was too busy for it. */
function isBusy(status: number): boolean {
  return status === 0 || status === 408 || status === 503
}

/** Unique among all writers of this process. */
let nextId = 1

/** Waits as long as a frozen control plane may be frozen: a request given up could still be carried out after the next one. */
const patienceMs = 60_000

function send(method: string, url: string, body?: object): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((done) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = text === undefined ? {} : { 'content-type': 'application/json' }
    const sent = request(url, { method, timeout: patienceMs, agent: false, headers }, (response) => {
      let heard = ''
      response.on('data', (chunk: Buffer) => (heard += chunk.toString('utf8')))
      response.on('error', () => done({ status: 0, text: '' }))
      response.on('end', () => done({ status: response.statusCode ?? 0, text: heard }))
    })
    sent.on('timeout', () => sent.destroy())
    sent.on('error', (error) => done({ status: 0, text: error.message }))
    sent.end(text)
  })
}
