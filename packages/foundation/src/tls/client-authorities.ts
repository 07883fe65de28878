// The authorities that sign the certificates of clients, from a PEM file. Invariant: `current` always parses; a broken replacement is refused
// with a warning and the last good bundle stays.
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AppError, messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import type { Clock } from '../time/index.ts'
import { loadFromFiles, type ValueFromFiles } from './value-from-files.ts'

/** PEM of one or more certificates. */
export type ClientAuthorities = ValueFromFiles<string>

/** Loads the bundle and watches its file. Errors: config/unreadable, config/invalid. */
export async function loadClientAuthorities(options: {
  readonly file: string
  readonly clock: Clock
  readonly log: Logger
}): Promise<ClientAuthorities> {
  const { file } = options
  return loadFromFiles({
    ...options,
    files: [file],
    read: () => readBundle(file),
    isSame: (a, b) => a === b,
    messages: {
      replaced: 'client authorities replaced',
      refused: 'client authorities not replaced: keeping the last good ones',
    },
  })
}

async function readBundle(file: string): Promise<string> {
  let pem: string
  try {
    pem = await readFile(file, 'utf8')
  } catch (error) {
    throw new AppError('config/unreadable', `file of client authorities cannot be read: ${file}: ${messageOf(error)}`, { cause: error })
  }
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  // what is no PEM at all would be taken for an empty bundle
  if (certificates.length === 0) throw new AppError('config/invalid', `${file} holds no PEM certificate`)
  try {
    for (const certificate of certificates) new X509Certificate(certificate)
  } catch (error) {
    throw new AppError('config/invalid', `${file} holds a certificate that cannot be read: ${messageOf(error)}`, { cause: error })
  }
  return pem
}
