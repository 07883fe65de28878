// Large answers of Envoys on their way to global. A message holds 10 MiB: between own peers an answer is compressed, towards a stock global one that
// does not fit is answered with the reason.
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { AppError, messageOf } from '@weft/foundation/errors'
import { maxMessageBytes } from './wire.ts'

const compress = promisify(gzip)
const decompress = promisify(gunzip)

/** What fits beside the identifier of the request. */
export const maxAnswerBytes = maxMessageBytes - 1024
/** What a zone reads of an Envoy at most; nothing larger is unpacked. */
export const maxUnpackedBytes = 64 * 1024 * 1024
/** Below this, compressing costs more than it saves. */
const worthwhileBytes = 64 * 1024

/** The bytes as they go on the stream. Throws kds/admin-failed when they do not fit. */
export async function packAnswer(bytes: Uint8Array, towards: 'own' | 'stock'): Promise<Uint8Array> {
  const packed = towards === 'own' && bytes.length > worthwhileBytes ? await compress(bytes) : bytes
  if (packed.length <= maxAnswerBytes) return packed
  const size = `${(bytes.length / 1024 / 1024).toFixed(1)} MiB`
  throw new AppError('kds/admin-failed', `the answer of the proxy has ${size}, more than fits through global: ask the zone control plane`)
}

/** The bytes as the Envoy sent them. Throws kds/admin-failed. */
export async function unpackAnswer(bytes: Uint8Array): Promise<Uint8Array> {
  // no text and no JSON starts like this
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes
  try {
    return await decompress(bytes, { maxOutputLength: maxUnpackedBytes })
  } catch (error) {
    throw new AppError('kds/admin-failed', `the answer of the zone cannot be unpacked: ${messageOf(error)}`, { cause: error })
  }
}
