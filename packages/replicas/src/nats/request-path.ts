// Questions to another replica by NATS. The one that is asked says at once that it has the question, so that a silent one is known within a
// second and another way can be tried; the answer may take its time. What is larger than the server takes goes another way.
import { randomUUID } from 'node:crypto'
import type { Msg } from '@nats-io/transport-node'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock, Timer } from '@weft/foundation/time'
import { answerOf, checkSize, readAnswer } from '../answer.ts'
import { afterReading } from '../answer-deadline.ts'
import type { ReplicaRequest, RequestPath } from '../contract.ts'
import { createTopics } from '../topics.ts'
import type { NatsLink } from './nats-link.ts'
import { type MessageFields, readBody, readFields, seal } from './sealed-message.ts'
import { answerSubject, askSubject } from './subjects.ts'

export interface NatsRequestPathOptions {
  /** Not started yet. */
  readonly link: NatsLink
  readonly storeId: string
  readonly instanceId: string
  /** What all replicas of this control plane have and nobody else; without it nothing is asked or answered. */
  readonly key: () => Uint8Array | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics | undefined
}

export interface NatsRequestPath extends RequestPath {
  /** Ends what is under way with replicas/unreachable. */
  stop(): void
}

interface Question {
  readonly to: string
  readonly request: ReplicaRequest
  readonly timers: readonly Timer[]
  isReceived: boolean
  resolve(body: Uint8Array): void
  reject(error: Error): void
}

const receiptMs = 1000
const maxAsked = 1000
const maxServed = 64
const maxLimitMs = 600_000
/** Room for headers in the largest message. */
const headerBytes = 4096

export function createNatsRequestPath(options: NatsRequestPathOptions): NatsRequestPath {
  const { link, storeId, instanceId, key, clock, log, metrics } = options
  const asked = new Map<string, Question>()
  const topics = createTopics()
  let serving = 0
  let isStopped = false
  const requests = metrics?.counter('replicas_requests_total', 'Questions between replicas, by way and how they ended.', [
    'way',
    'side',
    'result',
  ])
  const refusals = metrics?.counter(
    'replicas_refused_messages_total',
    'Messages on the subjects of replicas that no replica can have sent.',
    ['way'],
  )
  const counted = (side: 'asked' | 'served', result: string): void => requests?.inc({ way: 'nats', side, result })
  const refused = (why: string): void => {
    refusals?.inc({ way: 'nats' })
    log.debug({ reason: why }, 'a message from NATS is ignored')
  }
  const fits = (payload: Uint8Array): boolean => payload.length + headerBytes <= link.maxBytes

  const settle = (id: string): Question | undefined => {
    const question = asked.get(id)
    asked.delete(id)
    for (const timer of question?.timers ?? []) timer.cancel()
    return question
  }
  const fail = (id: string, error: Error, result: string): void => {
    const question = settle(id)
    if (!question) return
    counted('asked', result)
    question.reject(error)
  }
  const answered = async (message: Msg): Promise<void> => {
    const id = message.subject.slice(message.subject.lastIndexOf('.') + 1)
    const question = asked.get(id)
    // late, or never asked
    if (!question) return
    // said by the server: nobody listens there
    if (message.headers?.code === 503) {
      fail(id, unreachable(question.to, 'it is not connected to NATS'), 'unreachable')
      return
    }
    const secret = key()
    const fields = secret && readFields(secret, instanceId, message)
    if (fields?.id !== id || fields.from !== question.to) {
      refused('an answer with a wrong signature')
      return
    }
    if (fields.kind === 'received') {
      question.isReceived = true
      return
    }
    try {
      const body = readAnswer(await readBody(message))
      counted('asked', 'ok')
      settle(id)?.resolve(body)
    } catch (error) {
      fail(id, error instanceof Error ? error : new Error(messageOf(error)), resultOf(error))
    }
  }

  const send = async (to: string, subject: string, fields: MessageFields, body: Uint8Array): Promise<'sent' | 'too-large' | 'down'> => {
    const secret = key()
    if (!secret) return 'down'
    const sealed = await seal(secret, to, fields, body)
    if (link.isUp && !fits(sealed.payload)) return 'too-large'
    const reply = fields.kind === 'ask' ? { reply: answerSubject(storeId, instanceId, fields.id) } : {}
    return link.publish(subject, sealed.payload, { headers: sealed.headers, ...reply }) ? 'sent' : 'down'
  }
  const serveOne = async (message: Msg): Promise<void> => {
    const secret = key()
    const fields = secret && readFields(secret, instanceId, message)
    if (fields?.kind !== 'ask' || message.reply !== answerSubject(storeId, fields.from, fields.id)) {
      refused('a question with a wrong signature')
      return
    }
    const { from, id, topic = '', limit } = fields
    const say = (kind: 'received' | 'answer', body: Uint8Array) =>
      send(from, answerSubject(storeId, from, id), { kind, from: instanceId, id }, body)
    const refuse = async (why: string) => say('answer', await failureOf(unreachable(instanceId, why)))
    if (serving >= maxServed || isStopped) {
      await refuse('it answers too many questions at the moment')
      counted('served', 'refused')
      return
    }
    serving += 1
    let isServing = true
    const end = (): void => {
      if (isServing) serving -= 1
      isServing = false
    }
    // nobody waits for it any longer: what never ends must not take the place of others
    const timer = clock.after(Math.min(Number(limit) || 0, maxLimitMs), end)
    try {
      await say('received', new Uint8Array())
      const outcome = await say('answer', await answerOf(topics.handler(topic), await readBody(message), from))
      if (outcome === 'too-large') await refuse('the answer is larger than NATS takes')
      counted('served', outcome)
    } finally {
      timer.cancel()
      end()
    }
  }

  link.subscribe(askSubject(storeId, instanceId), (message) => {
    serveOne(message).catch((error: unknown) => refused(messageOf(error)))
  })
  link.subscribe(answerSubject(storeId, instanceId, '*'), (message) => {
    answered(message).catch((error: unknown) => refused(messageOf(error)))
  })
  const failAll = (why: string): void => {
    for (const [id, { to }] of asked) fail(id, unreachable(to, why), 'unreachable')
  }
  const stopWatching = link.onUp((isUp) => {
    if (!isUp) failAll('the connection to NATS is lost')
  })

  return {
    get isUp() {
      return link.isUp && !isStopped && key() !== undefined
    },
    ask: async (to, request) => {
      const refuse = (why: string): never => {
        counted('asked', 'unreachable')
        throw unreachable(to, why)
      }
      if (!link.isUp || isStopped || key() === undefined) return refuse('NATS is not up')
      if (asked.size >= maxAsked) return refuse('too many questions are under way')
      checkSize('the question', request.body)
      const id = randomUUID()
      const answer = new Promise<Uint8Array>((resolve, reject) => {
        const silent = afterReading(clock, Math.min(receiptMs, request.limitMs), () => {
          if (asked.get(id)?.isReceived === false) fail(id, unreachable(to, 'it does not take questions by NATS'), 'unreachable')
        })
        const late = afterReading(clock, request.limitMs, () => fail(id, timeout(to, request), 'timeout'))
        asked.set(id, { to, request, timers: [silent, late], isReceived: false, resolve, reject })
      })
      const fields = { kind: 'ask', from: instanceId, id, topic: request.topic, limit: String(request.limitMs) } as const
      const outcome = await send(to, askSubject(storeId, to), fields, request.body)
      if (outcome === 'too-large') fail(id, unreachable(to, 'the question is larger than NATS takes'), 'unreachable')
      if (outcome === 'down') fail(id, unreachable(to, 'the connection to NATS is lost'), 'unreachable')
      return answer
    },
    serve: topics.serve,
    stop: () => {
      isStopped = true
      stopWatching()
      failAll('this process stops')
    },
  }
}

/** Bytes of an answer that is this error. */
function failureOf(error: AppError): Promise<Uint8Array> {
  return answerOf(() => Promise.reject(error), new Uint8Array(), '')
}

function resultOf(error: unknown): 'unreachable' | 'failed' {
  return hasCode(error, 'replicas/unreachable') ? 'unreachable' : 'failed'
}

function unreachable(instance: string, why: string): AppError {
  return new AppError('replicas/unreachable', `cannot ask replica ${instance} by NATS: ${why}`, { retryable: true })
}

function timeout(instance: string, { topic, limitMs }: ReplicaRequest): AppError {
  return new AppError('replicas/timeout', `no answer of replica ${instance} to ${topic} within ${limitMs} ms`, { retryable: true })
}
