// The wire form of an answer to another replica: a body, or the coded error of whoever should have answered.
import { AppError, errorCodes, type ErrorCode, messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import { codec } from '@weft/proto'
import type { RequestHandler } from './contract.ts'

/** Bytes of a question or an answer. */
export const maxBodyBytes = 32 << 20

/** What a handler answers, or throws, as bytes. Never rejects. */
export async function answerOf(handler: RequestHandler | undefined, body: Uint8Array, from: string): Promise<Uint8Array> {
  try {
    if (!handler) throw new AppError('replicas/failed', 'this replica does not answer such questions')
    const answer = await handler(body, from)
    checkSize('the answer', answer)
    return answers().encode({ body: answer })
  } catch (error) {
    const coded = error instanceof AppError ? error : undefined
    return answers().encode({
      failure: {
        code: coded?.code ?? '',
        message: messageOf(error),
        retryable: coded?.retryable ?? false,
        details: JSON.stringify(coded?.details ?? {}),
      },
    })
  }
}

/** The body of an answer. Throws the error that it holds, with its code, and replicas/failed for what cannot be read. */
export function readAnswer(bytes: Uint8Array): Uint8Array {
  const { body, failure } = decode(bytes)
  if (!failure) return bytesOf(body)
  const { code = '', message = '', retryable = false, details = '' } = failure
  throw new AppError(isErrorCode(code) ? code : 'replicas/failed', message, { retryable, details: detailsIn(details) })
}

/** Throws replicas/too-large. */
export function checkSize(what: string, { length }: Uint8Array): void {
  if (length > maxBodyBytes)
    throw new AppError('replicas/too-large', `${what} has ${length} bytes, replicas send each other at most ${maxBodyBytes}`)
}

const answers = () => codec('weft.replica.v1.Answer')

/** An unset field of bytes reads as an empty list. */
export function bytesOf(field: Uint8Array | undefined): Uint8Array {
  return field instanceof Uint8Array ? field : new Uint8Array()
}

function decode(bytes: Uint8Array) {
  try {
    return answers().decode(bytes)
  } catch (error) {
    throw new AppError('replicas/failed', 'the answer of another replica cannot be read', { cause: error })
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code)
}

function detailsIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}
