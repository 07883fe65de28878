// Effective conf of MeshRateLimit, read totally: what is malformed is as if it were absent (contract/policies.md section 3.10).
import { field, listField, textField } from '@weft/foundation/json'
import { enumValues } from '@weft/proto'
import { boolField, durationField, uintField } from '../conf-values.ts'

/** So many per interval. */
export interface Rate {
  readonly count: number
  readonly intervalMs: number
}

/** A header of the answer to a request that is over the limit. */
export interface LimitHeader {
  readonly name: string
  readonly value: string
  readonly append: boolean
}

type StatusCodes = ReturnType<typeof statusCodes>
/** A status that Envoy answers with. */
export type AnswerStatus = StatusCodes[keyof StatusCodes]

/** A limit of requests. */
export interface RequestLimit extends Rate {
  /** Undefined: Envoy's 429. */
  readonly status?: AnswerStatus
  readonly headers: readonly LimitHeader[]
}

/** The limits of one listener; an absent one does not exist or is switched off. */
export interface Limits {
  readonly requests?: RequestLimit
  readonly connections?: Rate
}

const statusCodes = () => enumValues('envoy.type.v3.StatusCode')

/** The status if Envoy has a name for it: it refuses others. Below 400 it answers 429, so that a limit is never mistaken for success. */
export function answerStatus(status: number | undefined): AnswerStatus | undefined {
  return Object.values(statusCodes()).find((known) => known === status && known !== 0)
}

/** Reads a merged conf. */
export function limitsOf(conf: unknown): Limits {
  const local = field(conf, 'local')
  const requests = requestLimit(field(local, 'http'))
  const tcp = field(local, 'tcp')
  const connections = boolField(tcp, 'disabled') === true ? undefined : rateOf(field(tcp, 'connectionRate'))
  return { ...(requests === undefined ? {} : { requests }), ...(connections === undefined ? {} : { connections }) }
}

function requestLimit(http: unknown): RequestLimit | undefined {
  const rate = boolField(http, 'disabled') === true ? undefined : rateOf(field(http, 'requestRate'))
  if (rate === undefined) return undefined
  const answer = field(http, 'onRateLimit')
  const status = answerStatus(uintField(answer, 'status'))
  const headers = field(answer, 'headers')
  return {
    ...rate,
    ...(status === undefined ? {} : { status }),
    headers: [
      ...listField(headers, 'add').map((header) => limitHeader(header, textField(header, 'value'), true)),
      // each part replaces the one before: the last one is what the caller sees
      ...listField(headers, 'set').flatMap((header) =>
        textField(header, 'value')
          .split(',')
          .map((part) => limitHeader(header, part, false)),
      ),
    ],
  }
}

function limitHeader(header: unknown, value: string, append: boolean): LimitHeader {
  return { name: textField(header, 'name'), value, append }
}

/** Envoy refuses a bucket without tokens and one that fills faster than every 50 ms. */
function rateOf(rate: unknown): Rate | undefined {
  const count = uintField(rate, 'num')
  const intervalMs = durationField(rate, 'interval')
  return count === undefined || count === 0 || intervalMs === undefined || intervalMs < 50 ? undefined : { count, intervalMs }
}
