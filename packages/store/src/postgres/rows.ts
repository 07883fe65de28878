// Changes as rows of PostgreSQL and back. Texts that PostgreSQL cannot hold (NUL, halves of surrogate pairs) never get here as keys or
// bodies: keys are checked by the plan, and in JSON text they are escapes.
import type { Labels, Resource, ResourceKey } from '@weft/resources'
import type { Change } from '../contract.ts'
import { bodyText, type HistoryBodies } from '../history-bodies.ts'
import { entryHash } from '../history-chain.ts'
import type { ChainPoint } from '../history.ts'
import type { JournalEntry } from '../journal.ts'

/** A statement carries rows up to about this size and number: none holds the event loop for long. */
const maxRows = 500
const maxChars = 1_000_000

/** Rows for one statement as a JSON array, and the end of the chain after them. */
export interface RowChunk {
  readonly rows: string
  readonly lastSeq: number
  readonly chain: ChainPoint
}

export interface ChunkOptions {
  /** Where the chain ends before the first of them. */
  readonly from: ChainPoint
  readonly bodies: HistoryBodies
}

/** Rows of transactions in chunks, made one at a time as they are asked for. */
export function* chunkRows(transactions: readonly (readonly Change[])[], { from, bodies }: ChunkOptions): Generator<RowChunk> {
  const changes = transactions.flatMap((transaction) => {
    const tx = transaction.at(-1)?.seq ?? 0
    return transaction.map((change) => ({ change, tx }))
  })
  let chain = from
  for (let at = 0; at < changes.length; ) {
    const rows: { readonly row: Readonly<Record<string, unknown>>; readonly key: string }[] = []
    let chars = 0
    while (at < changes.length && rows.length < maxRows && chars < maxChars) {
      const next = changes[at]
      if (!next) break
      const made = rowOf(next.change, next.tx, { chain, bodies })
      chain = made.chain
      chars += made.chars
      rows.push({ row: made.row, key: keyId(next.change.key) })
      at += 1
    }
    const last = new Map(rows.map(({ key }, index) => [key, index]))
    yield {
      rows: JSON.stringify(rows.map(({ row, key }, index) => ({ ...row, last: last.get(key) === index }))),
      lastSeq: changes[at - 1]?.change.seq ?? 0,
      chain,
    }
  }
}

function rowOf(
  change: Change,
  tx: number,
  { chain, bodies }: { readonly chain: ChainPoint; readonly bodies: HistoryBodies },
): { readonly row: Readonly<Record<string, unknown>>; readonly chain: ChainPoint; readonly chars: number } {
  const body = change.after ? bodyText(change.after) : null
  const isDesired = change.class === 'desired'
  const before = isDesired ? bodies.textOf(change, 'before') : null
  const isSealed = isDesired && bodies.isSealed(change.key.type)
  const logged = isSealed ? bodies.textOf(change, 'after') : body
  const actor = storable(change.actor)
  const reason = storable(change.reason)
  const { seq, time, op } = change
  const { type, mesh, name } = change.key
  const linked = isDesired
    ? { seq, hash: entryHash({ seq, time, actor, reason, op, type, mesh, name, before, after: logged }, chain) }
    : undefined
  return {
    row: {
      seq,
      tx,
      time,
      class: change.class,
      actor,
      reason,
      op,
      type,
      mesh,
      name,
      created: change.after?.creationTime ?? null,
      before,
      body,
      ...(isSealed ? { sealed: true, logged } : {}),
      ...(linked ? { previous: chain.seq, hash: linked.hash } : {}),
    },
    chain: linked ?? chain,
    chars: (body?.length ?? 0) + (before?.length ?? 0) + 300,
  }
}

/** Names of people and peers as PostgreSQL can hold them. */
function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed()
}

function keyId(key: ResourceKey): string {
  return `${key.type}\0${key.mesh}\0${key.name}`
}

export interface ResourceRow {
  readonly type: string
  readonly mesh: string
  readonly name: string
  readonly body: string
  readonly created: string
  readonly modified: string
  readonly version: string
}

/** A row of weft.resources. */
export function resourceOf(row: ResourceRow): Resource {
  // written by `bodyText`
  const body = JSON.parse(row.body) as { labels: Labels; spec: unknown; status?: unknown }
  return {
    type: row.type,
    mesh: row.mesh,
    name: row.name,
    labels: body.labels,
    creationTime: row.created,
    modificationTime: row.modified,
    version: Number(row.version),
    spec: body.spec,
    ...(body.status === undefined ? {} : { status: body.status }),
  }
}

export interface LogRow extends Omit<ResourceRow, 'body' | 'created' | 'modified' | 'version'> {
  readonly seq: string
  readonly tx: string
  readonly time: string
  readonly class: string
  readonly actor: string
  readonly reason: string
  readonly op: string
  readonly created: string | null
  /** For an observed or sealed change the value of now, if it is still this one. */
  readonly body: string | null
  readonly previous: string | null
  readonly hash: string | null
}

/** A row of weft.log, joined with the current value where it has none of its own. */
export function entryOf(row: LogRow): JournalEntry {
  const key = { type: row.type, mesh: row.mesh, name: row.name }
  const { created, body } = row
  return {
    seq: Number(row.seq),
    time: row.time,
    class: row.class === 'desired' ? 'desired' : 'observed',
    actor: row.actor,
    reason: row.reason,
    op: row.op === 'put' ? 'put' : 'delete',
    key,
    ...(row.op === 'put' && body !== null && created !== null
      ? { after: resourceOf({ ...key, body, created, modified: row.time, version: row.seq }) }
      : {}),
  }
}
