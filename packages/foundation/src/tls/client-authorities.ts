// The authorities that sign the certificates of clients, from a PEM file. Invariant: `current` always parses; a broken replacement is refused
// with a warning and the last good bundle stays.
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AppError, messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import type { Clock } from '../time/index.ts'
import { watchFiles } from './watch-files.ts'

export interface ClientAuthorities {
  /** PEM of one or more certificates. */
  readonly current: string
  /** Called after each replacement. Returns the unsubscriber. */
  onChange(listener: (pem: string) => void): () => void
  /** Stops watching. */
  close(): void
}

/** Loads the bundle and watches its file. Errors: config/unreadable, config/invalid. */
export async function loadClientAuthorities(options: {
  readonly file: string
  readonly clock: Clock
  readonly log: Logger
}): Promise<ClientAuthorities> {
  const { file, log } = options
  let current = await readBundle(file)
  const listeners = new Set<(pem: string) => void>()
  const reload = async (): Promise<void> => {
    try {
      const next = await readBundle(file)
      if (next === current) return
      current = next
      log.info({ file }, 'client authorities replaced')
      for (const listener of listeners) listener(next)
    } catch (error) {
      log.warn({ file, err: messageOf(error) }, 'client authorities not replaced: keeping the last good ones')
    }
  }
  const stopWatching = watchFiles([file], () => void reload(), options)
  return {
    get current() {
      return current
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => {
      stopWatching()
      listeners.clear()
    },
  }
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
