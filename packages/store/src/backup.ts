// A backup: every resource at one sequence number, as gzipped lines of JSON. The first line says what it is, the last one how many there are and
// their digest, so that half a file is never taken for a whole one. Specs of confidential kinds are sealed with the key of the history.
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { pipeline, Readable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { AppError, messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import { type Clock, timestamp } from '@weft/foundation/time'
import type { Resource } from '@weft/resources'
import type { Store } from './contract.ts'
import { createHistoryKey, type HistoryKey, type SealedText } from './history-key.ts'

const formatName = 'weft-backup'
const formatVersion = 1
/** Longest line that is read: a resource of 10 MiB with its envelope. */
const maxLine = 16 * 1024 * 1024

export interface BackupHeader {
  /** Id of the store it was made of. */
  readonly store: string
  readonly seq: number
  /** RFC 3339, UTC. */
  readonly time: string
}

export interface BackupOptions {
  /** Kinds to take along. */
  readonly types: Iterable<string>
  /** The key that opens secrets goes along: whoever has the file has them. */
  readonly withKey: boolean
}

export interface BackupSource extends BackupHeader {
  readonly resources: Iterable<Resource>
  /** Kinds whose specs are sealed. */
  readonly sealedTypes: ReadonlySet<string>
  readonly key: HistoryKey
  /** The key goes along: whoever has the file has its secrets. */
  readonly withKey: boolean
}

/** How a store backs itself up: every resource of this turn of the event loop. */
export function backupOf(
  store: Pick<Store, 'id' | 'seq' | 'list'>,
  { clock, ...sealing }: Pick<BackupSource, 'sealedTypes' | 'key'> & { readonly clock: Clock },
): (options: BackupOptions) => Readable {
  return ({ types, withKey }) =>
    writeBackup({
      ...sealing,
      store: store.id,
      seq: store.seq,
      time: timestamp(clock.now()),
      resources: [...types].flatMap((type) => store.list(type)),
      withKey,
    })
}

/** The bytes of a backup. Reads `resources` step by step, so they must not change meanwhile. */
export function writeBackup(source: BackupSource): Readable {
  // a reader that goes away ends both
  return pipeline(Readable.from(linesOf(source)), createGzip(), () => {})
}

function* linesOf({ store, seq, time, resources, sealedTypes, key, withKey }: BackupSource): Generator<string> {
  const digest = createHash('sha256')
  const line = (value: unknown): string => {
    const text = `${JSON.stringify(value)}\n`
    digest.update(text)
    return text
  }
  yield line({ format: formatName, version: formatVersion, store, seq, time, ...(withKey ? { key: key.secret } : {}) })
  let count = 0
  for (const resource of resources) {
    count += 1
    const spec = sealedTypes.has(resource.type) ? key.seal(JSON.stringify(resource.spec), sealContext(store, resource)) : resource.spec
    yield line({ ...resource, spec })
  }
  yield `${JSON.stringify({ count, sha256: digest.digest('hex') })}\n`
}

export interface Backup extends BackupHeader {
  /** Sealed specs that the key does not open are `SealedSpec`. */
  readonly resources: readonly Resource[]
}

export interface ReadBackupOptions {
  /** Opens sealed specs; the key in the file goes first. */
  readonly key?: HistoryKey
  readonly sealedTypes: ReadonlySet<string>
}

/** Reads a whole backup. Rejects with store/invalid when it is none, is not whole or was altered. */
export async function readBackup(bytes: Readable, options: ReadBackupOptions): Promise<Backup> {
  try {
    return await read(bytes, options)
  } catch (error) {
    throw error instanceof AppError ? error : bad(messageOf(error), error)
  }
}

async function read(bytes: Readable, { key, sealedTypes }: ReadBackupOptions): Promise<Backup> {
  const digest = createHash('sha256')
  const resources: Resource[] = []
  let header: (BackupHeader & { readonly key: HistoryKey | undefined }) | undefined
  let trailer: { readonly count: unknown; readonly sha256: unknown } | undefined
  const lines = linesIn(bytes)
  let number = 0
  for await (const text of lines) {
    number += 1
    if (trailer) throw bad(`line ${number} comes after the end`)
    const value: unknown = JSON.parse(text)
    if (!isObject(value)) throw bad(`line ${number} is no object`)
    if ('sha256' in value) {
      trailer = { count: value['count'], sha256: value['sha256'] }
      continue
    }
    digest.update(`${text}\n`)
    if (header) resources.push(resourceOf(value, { header, number, key: header.key ?? key, sealedTypes }))
    else header = headerOf(value)
  }
  if (!header || !trailer) throw bad('it ends too early')
  if (trailer.count !== resources.length || trailer.sha256 !== digest.digest('hex'))
    throw bad('its digest does not fit: it was altered or cut')
  const { store, seq, time } = header
  return { store, seq, time, resources }
}

/** Lines of a gzipped stream. A failure of the stream ends the iteration with it. */
async function* linesIn(bytes: Readable): AsyncGenerator<string> {
  let failure: Error | undefined
  const plain = pipeline(bytes, createGunzip(), (error) => {
    if (error) failure = error
  })
  for await (const line of createInterface({ input: plain, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.length > maxLine) throw bad('a line is longer than any resource')
    yield line
  }
  if (failure) throw failure
}

function headerOf(value: Readonly<Record<string, unknown>>): BackupHeader & { readonly key: HistoryKey | undefined } {
  const { format, version, store, seq, time, key } = value
  if (format !== formatName) throw bad('its first line says nothing of a backup')
  if (version !== formatVersion) throw bad(`it has format ${String(version)}, this version reads ${formatVersion}`)
  if (typeof store !== 'string' || typeof seq !== 'number' || typeof time !== 'string') throw bad('its first line lacks store, seq or time')
  return {
    store,
    seq,
    time,
    key: typeof key === 'string' && /^[0-9a-f]{64}$/.test(key) ? createHistoryKey(Buffer.from(key, 'hex')) : undefined,
  }
}

interface Line {
  readonly header: BackupHeader
  readonly number: number
  readonly key: HistoryKey | undefined
  readonly sealedTypes: ReadonlySet<string>
}

function resourceOf(value: Readonly<Record<string, unknown>>, { header, number, key, sealedTypes }: Line): Resource {
  const { type, mesh, name, labels, spec, status, creationTime, modificationTime, version } = value
  const words = [type, mesh, name, creationTime, modificationTime]
  if (!words.every((word) => typeof word === 'string') || typeof version !== 'number' || !isObject(labels) || spec === undefined)
    throw bad(`line ${number} is no resource`)
  // checked above; labels and specs are checked again before they are written
  const resource = {
    type,
    mesh,
    name,
    labels,
    spec,
    creationTime,
    modificationTime,
    version,
    ...(status === undefined ? {} : { status }),
  } as Resource
  if (!sealedTypes.has(resource.type)) return resource
  const sealed = spec as SealedText
  const opened = typeof sealed.sealed === 'string' ? key?.open(sealed, sealContext(header.store, resource)) : undefined
  return { ...resource, spec: opened === undefined ? { sealed: true, digest: String(sealed.digest) } : (JSON.parse(opened) as unknown) }
}

const sealContext = (store: string, { type, mesh, name }: Resource): string => `backup/${store}/${type}/${mesh}/${name}`

const bad = (what: string, cause?: unknown): AppError => new AppError('store/invalid', `not a whole backup: ${what}`, { cause })
