// weft history, diff, rollback, audit: who changed what, what it was before, taking it back, and whether the record is whole.
import { createTwoFilesPatch } from 'diff'
import { AppError } from '@weft/foundation/errors'
import { asRecord, type Connection, listOf } from './connection.ts'
import { findNoun, listNouns } from './nouns.ts'
import { type Format, serialise, table } from './output.ts'

type Print = (text: string) => void
type Item = Readonly<Record<string, unknown>>

/** One resource, or all that fit. */
export interface HistoryTarget {
  readonly type: string | undefined
  readonly name: string | undefined
  readonly mesh: string | undefined
}

/** Lists changes, newest first. */
export async function showHistory(
  connection: Connection,
  {
    target,
    actor,
    limit,
    format,
  }: { readonly target: HistoryTarget; readonly actor: string | undefined; readonly limit: number; readonly format: Format },
  print: Print,
): Promise<void> {
  const query = await queryOf(connection, target)
  if (actor !== undefined) query.set('actor', actor)
  const items: Item[] = []
  for (let before: unknown; items.length < limit; ) {
    query.set('limit', String(Math.min(1000, limit - items.length)))
    if (before !== undefined) query.set('before', String(before))
    const page = asRecord(await connection.json('GET', `/_weft/history?${query.toString()}`))
    items.push(...listOf(page['items']))
    before = page['next']
    if (before === null || before === undefined) break
  }
  if (format !== 'table') return print(serialise({ total: items.length, items }, format))
  if (items.length === 0) return print('no changes')
  const columns = ['seq', 'time', 'action', 'type', 'mesh', 'name', 'actor', 'reason']
  print(
    table(
      columns.map((column) => column.toUpperCase()),
      items.map((item) => columns.map((column) => String(item[column] ?? ''))),
    ),
  )
}

/** Shows what changed in a resource between two versions. */
export async function showDiff(
  connection: Connection,
  {
    target,
    from,
    to,
    format,
  }: { readonly target: HistoryTarget; readonly from: string | undefined; readonly to: string | undefined; readonly format: Format },
  print: Print,
): Promise<void> {
  const query = await queryOf(connection, target)
  if (from !== undefined) query.set('from', from)
  if (to !== undefined) query.set('to', to)
  const answer = asRecord(await connection.json('GET', `/_weft/history/diff?${query.toString()}`))
  if (format !== 'table') return print(serialise(answer, format))
  const [before, after] = [asRecord(answer['from']), asRecord(answer['to'])]
  if (listOf(answer['operations']).length === 0) return print(`no difference between ${String(before['seq'])} and ${String(after['seq'])}`)
  print(unified({ ...answer, before: before['document'], after: after['document'] }, [String(before['seq']), String(after['seq'])]))
}

export interface RollbackOptions {
  readonly target: HistoryTarget
  readonly to: string
  readonly dryRun: boolean
  readonly format: Format
}

/** Makes a resource, or what people changed in a mesh, what it was; prints the change set. */
export async function rollBack(connection: Connection, { target, to, dryRun, format }: RollbackOptions, print: Print): Promise<void> {
  const named = target.type === undefined ? { mesh: target.mesh } : Object.fromEntries(await queryOf(connection, target))
  const answer = asRecord(await connection.json('POST', '/_weft/history/rollback', { ...named, to, dryRun }))
  if (format !== 'table') return print(serialise(answer, format))
  const [changes, leftOut] = [listOf(answer['changes']), listOf(answer['leftOut'])]
  for (const change of changes) print(unified(change, ['now', String(answer['to'])]))
  for (const item of leftOut) print(`left out: ${wordsOf(item)}: ${String(item['reason'])}`)
  if (changes.length === 0) print(`nothing to roll back to ${String(answer['to'])}`)
  else if (answer['dryRun'] === true) print(`${changes.length} would change; nothing was written`)
  else print(`${changes.length} changed to what they were at ${String(answer['to'])}`)
}

/** Checks the chain of entries; throws when it is not whole. */
export async function verifyAudit(
  connection: Connection,
  { head, format }: { readonly head: string | undefined; readonly format: Format },
  print: Print,
): Promise<void> {
  const report = asRecord(await connection.json('GET', '/_weft/audit/verify'))
  const [from, end] = [asRecord(report['from']), asRecord(report['head'])]
  const problems = Array.isArray(report['problems']) ? report['problems'].map(String) : []
  if (head !== undefined && head !== `${String(end['seq'])}:${String(end['hash'])}`) problems.push(...(await missesHead(connection, head)))
  if (format !== 'table') print(serialise({ ...report, ok: problems.length === 0, problems }, format))
  else {
    print(`${String(report['entries'])} entries after ${String(from['seq'])}, head ${String(end['seq'])}:${String(end['hash'])}`)
    for (const problem of problems) print(`  ${problem}`)
    if (problems.length === 0) print('whole: no entry is missing or altered')
  }
  if (problems.length > 0) throw new AppError('cli/request-failed', 'the record is not whole')
}

/** A head noted earlier must still be in the chain. */
async function missesHead(connection: Connection, head: string): Promise<readonly string[]> {
  const [seq = '', hash = ''] = head.split(':')
  if (!/^\d+$/.test(seq) || !/^[0-9a-f]{64}$/.test(hash)) throw new AppError('cli/usage', '--head is SEQ:HASH as an earlier run printed it')
  const page = asRecord(await connection.json('GET', `/_weft/history?limit=1&before=${Number(seq) + 1}`))
  const [entry] = listOf(page['items'])
  return entry?.['seq'] === Number(seq) && entry['hash'] === hash
    ? []
    : [`entry ${seq} is not the one that was noted: it was altered or is gone`]
}

async function queryOf(connection: Connection, { type, name, mesh }: HistoryTarget): Promise<URLSearchParams> {
  const noun = type === undefined ? undefined : findNoun(await listNouns(connection), type)
  const hasMesh = mesh !== undefined && (noun === undefined || noun.isMeshScoped)
  return new URLSearchParams({
    ...(noun ? { type: noun.type } : {}),
    ...(hasMesh ? { mesh } : {}),
    ...(name === undefined ? {} : { name }),
  })
}

function wordsOf({ type, mesh, name }: Item): string {
  return `${String(type)} ${mesh === '' || mesh === undefined ? '' : `${String(mesh)}/`}${String(name)}`
}

function unified(item: Item, [from, to]: readonly [string, string]): string {
  const textOf = (value: unknown): string => (value === null || value === undefined ? '' : serialise(value, 'yaml'))
  return createTwoFilesPatch(wordsOf(item), wordsOf(item), textOf(item['before']), textOf(item['after']), from, to, { context: 3 }).replace(
    /^=+\n/,
    '',
  )
}
