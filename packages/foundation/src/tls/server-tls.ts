// One server certificate from files. Invariant: `current` is always a pair that fits together; a half-written or wrong replacement is
// refused with a warning and the last good pair stays.
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { AppError, messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import type { Clock } from '../time/index.ts'
import { loadFromFiles, type ValueFromFiles } from './value-from-files.ts'

/** A certificate chain and its private key, both PEM. */
export interface TlsMaterial {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

export interface ServerTls extends ValueFromFiles<TlsMaterial> {
  /** The files it is read from. */
  readonly certificateFile: string
  readonly privateKeyFile: string
}

export interface ServerTlsOptions {
  /** `general.tlsCertFile` and `general.tlsKeyFile`; both or none. */
  readonly certificateFile?: string
  readonly privateKeyFile?: string
  /** Where `kuma-cp.crt` and `kuma-cp.key` are kept when no files are named (contract/dataplane.md section 1). */
  readonly workDir: string
  /** Makes a pair when none is named or kept. */
  readonly generate: () => Promise<TlsMaterial>
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Loads the pair and watches the files. Errors: config/invalid when only one file is named or the pair does not fit; config/unreadable when
 * a named file cannot be read or the work folder cannot be written.
 */
export async function loadServerTls(options: ServerTlsOptions): Promise<ServerTls> {
  const { certificateFile = '', privateKeyFile = '' } = options
  if ((certificateFile === '') !== (privateKeyFile === '')) {
    throw new AppError('config/invalid', 'tlsCertFile and tlsKeyFile must be set together')
  }
  const isNamed = certificateFile !== ''
  const files = isNamed
    ? { certificate: certificateFile, key: privateKeyFile }
    : { certificate: join(options.workDir, 'kuma-cp.crt'), key: join(options.workDir, 'kuma-cp.key') }
  if (!isNamed) await makeUnlessKept(files, options)
  const pair = await loadFromFiles({
    files: [files.certificate, files.key],
    file: files.certificate,
    read: () => readPair(files),
    isSame: (a, b) => a.certificatePem === b.certificatePem && a.privateKeyPem === b.privateKeyPem,
    messages: { replaced: 'server certificate replaced', refused: 'server certificate not replaced: keeping the last good one' },
    clock: options.clock,
    log: options.log,
  })
  return {
    get current() {
      return pair.current
    },
    certificateFile: files.certificate,
    privateKeyFile: files.key,
    onChange: pair.onChange,
    close: pair.close,
  }
}

interface Files {
  readonly certificate: string
  readonly key: string
}

async function makeUnlessKept(files: Files, options: ServerTlsOptions): Promise<void> {
  try {
    await readPair(files)
    return
  } catch (error) {
    // a kept pair that does not fit is a leftover of a crash between the two writes: replace it
    options.log.debug({ file: files.certificate, err: messageOf(error) }, 'no usable server certificate is kept')
  }
  const made = await options.generate()
  try {
    await mkdir(dirname(files.certificate), { recursive: true, mode: 0o700 })
    await writeAtomically(files.key, made.privateKeyPem, 0o600)
    await writeAtomically(files.certificate, made.certificatePem, 0o644)
  } catch (error) {
    throw new AppError('config/unreadable', `server certificate cannot be written to ${options.workDir}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  options.log.info({ file: files.certificate }, 'server certificate made')
}

async function writeAtomically(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  await rm(temporary, { force: true })
  const file = await open(temporary, 'wx', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await chmod(temporary, mode)
  await rename(temporary, path)
}

async function readPair(files: Files): Promise<TlsMaterial> {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      throw new AppError('config/unreadable', `TLS file cannot be read: ${path}: ${messageOf(error)}`, { cause: error })
    }
  }
  const [certificatePem, privateKeyPem] = await Promise.all([read(files.certificate), read(files.key)])
  try {
    createSecureContext({ cert: certificatePem, key: privateKeyPem })
  } catch (error) {
    throw new AppError('config/invalid', `TLS certificate ${files.certificate} and key ${files.key} are not a usable pair`, {
      cause: error,
    })
  }
  return { certificatePem, privateKeyPem }
}
