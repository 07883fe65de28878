// What replicas of this program say to each other here: JSON, and one question that all of them are asked.
import { warnOfAnswer } from '@weft/api'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Replicas } from '@weft/replicas'

/** How long a replica may take to say what it sees. */
export const viewLimitMs = 5_000

/** A question or an answer as bytes. */
export function writeMessage(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

/** What `writeMessage` wrote. Throws replicas/failed for anything else. */
export function readMessage(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  } catch (error) {
    throw new AppError('replicas/failed', 'what another replica says cannot be read', { cause: error })
  }
}

export interface ViewsAsked<V> {
  readonly replicas: Pick<Replicas, 'ask'>
  readonly topic: string
  /** Bytes of the question; none by default. */
  readonly body?: Uint8Array
  /** Makes a view of what a replica answered; undefined when it is none. */
  read(answer: unknown): V | undefined
  readonly log: Logger
  /** What is logged of one that does not answer: `a replica does not say ...`. */
  readonly silence: string
}

/** What a replica sees; undefined, and said in the log and to the one who asks, when it does not answer or answers something else than a view. */
export async function viewOf<V>(instanceId: string, { replicas, topic, body, read, log, silence }: ViewsAsked<V>): Promise<V | undefined> {
  try {
    const view = read(readMessage(await replicas.ask(instanceId, { topic, body: body ?? new Uint8Array(), limitMs: viewLimitMs })))
    if (view !== undefined) return view
    throw new AppError('replicas/failed', 'what another replica says is not what was asked for')
  } catch (error) {
    log.warn({ replica: instanceId, err: messageOf(error) }, silence)
    warnOfAnswer(`nothing was heard of replica ${instanceId}: what only it knows is missing here`)
    return undefined
  }
}

/** What all other replicas see. Those that do not answer are left out, and named as `viewOf` does. */
export async function viewsOfOthers<V>(
  asked: ViewsAsked<V> & { readonly replicas: { readonly presence: Pick<Replicas['presence'], 'members'> } },
): Promise<readonly V[]> {
  const views = await Promise.all(asked.replicas.presence.members().map(({ instanceId }) => viewOf(instanceId, asked)))
  return views.filter((view) => view !== undefined)
}
