// Values as they lie in the log: labels, spec and status as JSON text, the specs of confidential kinds sealed. What is hashed is this text.
import type { Resource, ResourceKey } from '@weft/resources'
import type { Change } from './contract.ts'
import type { HistoryKey, SealedText } from './history-key.ts'
import type { HistoryBody } from './history.ts'

/** Which side of an entry. */
export type BodyPart = 'before' | 'after'

export interface HistoryBodies {
  isSealed(type: string): boolean
  /** The text of a side; null when there is no value. */
  textOf(change: Change, part: BodyPart): string | null
  /** The value in a text. `isOpened`: sealed specs are opened, as far as the key does. */
  read(text: string, entry: BodyEntry, isOpened: boolean): HistoryBody
}

export interface BodyEntry extends Pick<ResourceKey, 'type'> {
  readonly seq: number
  readonly part: BodyPart
}

export interface HistoryBodiesOptions {
  /** Id of the store. */
  readonly id: string
  readonly key: HistoryKey
  /** Kinds whose specs are kept sealed. */
  readonly sealedTypes: ReadonlySet<string>
}

/** Texts of one store. */
export function createHistoryBodies({ id, key, sealedTypes }: HistoryBodiesOptions): HistoryBodies {
  const contextOf = (seq: number, part: BodyPart): string => `${id}/${seq}/${part}`
  return {
    isSealed: (type) => sealedTypes.has(type),
    textOf: (change, part) => {
      const resource = change[part]
      if (!resource) return null
      const isSealed = sealedTypes.has(resource.type)
      return bodyText(resource, isSealed ? key.seal(JSON.stringify(resource.spec), contextOf(change.seq, part)) : resource.spec)
    },
    read: (text, { type, seq, part }, isOpened) => {
      // written by `textOf`
      const value = JSON.parse(text) as HistoryBody
      if (!sealedTypes.has(type)) return value
      const sealed = value.spec as SealedText
      const opened = isOpened ? key.open(sealed, contextOf(seq, part)) : undefined
      return { ...value, spec: opened === undefined ? { sealed: true, digest: sealed.digest } : (JSON.parse(opened) as unknown) }
    },
  }
}

/** Labels, spec and status as JSON text. */
export function bodyText({ labels, spec, status }: Resource, shownSpec: unknown = spec): string {
  return JSON.stringify({ labels, spec: shownSpec, ...(status === undefined ? {} : { status }) })
}
