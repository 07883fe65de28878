// The key of a history: seals the specs of kinds that hold secrets, and signs where the chain begins and ends. It lies beside the store,
// readable by its owner only, and is made on the first start.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { AppError, messageOf } from '@weft/foundation/errors'

/** As it lies in the log: AES-256-GCM over the JSON of a spec, and a keyed digest that tells equal specs. */
export interface SealedText {
  /** Base64 of nonce (12 bytes), tag (16 bytes) and ciphertext. */
  readonly sealed: string
  readonly digest: string
}

export interface HistoryKey {
  /** In hexadecimal, for a backup that is to open its own secrets. */
  readonly secret: string
  /** `context` ties the result to its place: opened with another one, it fails. */
  seal(text: string, context: string): SealedText
  /** Undefined when it was sealed with another key or in another place, or is damaged. */
  open(sealed: SealedText, context: string): string | undefined
  sign(text: string): string
  isSigned(text: string, signature: string): boolean
}

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

/** A key from 32 secret bytes. */
export function createHistoryKey(secret: Uint8Array): HistoryKey {
  const derive = (purpose: string): Buffer => Buffer.from(hkdfSync('sha256', secret, '', `weft history ${purpose}`, keyBytes))
  const [sealing, digesting, signing] = [derive('seal'), derive('digest'), derive('sign')]
  const sign = (text: string): string => createHmac('sha256', signing).update(text).digest('hex')
  return {
    secret: Buffer.from(secret).toString('hex'),
    seal: (text, context) => {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce).setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return {
        sealed: Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64'),
        digest: createHmac('sha256', digesting).update(text).digest('hex').slice(0, 16),
      }
    },
    open: ({ sealed }, context) => {
      const bytes = Buffer.from(sealed, 'base64')
      if (bytes.length < nonceBytes + tagBytes) return undefined
      try {
        const decipher = createDecipheriv('aes-256-gcm', sealing, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
        decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
        return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8')
      } catch {
        return undefined
      }
    },
    sign,
    isSigned: (text, signature) => {
      const wanted = Buffer.from(sign(text))
      const given = Buffer.from(signature)
      return wanted.length === given.length && timingSafeEqual(wanted, given)
    },
  }
}

/** The key in a file that exists. Throws store/unavailable when it holds none. */
export function readHistoryKey(file: string): HistoryKey {
  return createHistoryKey(readSecret(file))
}

/** The key in a file, made when there is none. Throws store/unavailable when the file cannot be used. */
export function loadHistoryKey(file: string): HistoryKey {
  try {
    return createHistoryKey(existsSync(file) ? readSecret(file) : makeSecret(file))
  } catch (error) {
    throw error instanceof AppError
      ? error
      : new AppError('store/unavailable', `cannot use the history key in ${file}: ${messageOf(error)}`, { cause: error })
  }
}

function readSecret(file: string): Buffer {
  const text = readFileSync(file, 'utf8').trim()
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  throw new AppError(
    'store/unavailable',
    `the history key in ${file} is not ${keyBytes} bytes in hexadecimal: restore it, or remove it to start a new one`,
  )
}

/** Control planes that share a folder may make it at the same time: the first one wins, whole. */
function makeSecret(file: string): Buffer {
  const made = `${file}.${randomBytes(8).toString('hex')}`
  writeFileSync(made, `${randomBytes(keyBytes).toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true })
  try {
    linkSync(made, file)
  } catch (error) {
    if (!existsSync(file)) throw error
  } finally {
    unlinkSync(made)
  }
  return readSecret(file)
}
