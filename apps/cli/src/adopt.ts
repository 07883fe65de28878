// weft sync adopt: a zone that finds another global than the one it belongs to, and belonging to that one from now on.
import { AppError } from '@weft/foundation/errors'
import { asRecord, type Connection, listOf } from './connection.ts'
import { age, type Format, serialise, table } from './output.ts'

type Item = Readonly<Record<string, unknown>>
type Print = (text: string) => void

const path = '/_weft/adopt'

export interface AdoptQuery {
  /** Only this global; the one that answers when undefined. */
  readonly clusterId: string | undefined
  /** False: it is only shown what would happen. */
  readonly isMeant: boolean
  readonly format: Format
}

/** Shows what adopting the other global means, and adopts it when that is meant. */
export async function adopt(connection: Connection, { clusterId, isMeant, format }: AdoptQuery, print: Print): Promise<void> {
  const before = asRecord(await connection.json('GET', isMeant ? path : `${path}?compare=true`))
  const other = asRecord(before['otherGlobal'])
  const found = String(other['clusterId'] ?? '')
  if (clusterId !== undefined && found !== '' && clusterId !== found)
    throw new AppError('cli/usage', `the global that answers at ${String(other['address'])} is ${found}, not ${clusterId}`)
  if (!isMeant) {
    if (format !== 'table') return print(serialise(before, format))
    if (found === '') return print(`${belongs(before)}; no other global answers`)
    printAdoption(before, print)
    return
  }
  const id = clusterId ?? found
  if (id === '') throw new AppError('cli/usage', `${belongs(before)}; no other global answers, so there is nothing to adopt`)
  const after = asRecord(await connection.json('POST', path, { clusterId: id }))
  if (format !== 'table') return print(serialise(after, format))
  print(belongs(after))
  print('what it lists is taken now; what it does not list of the former one stays in use: weft sync held')
}

/** Whose zone it is, and the other global that answers; nothing where there is neither. */
export function printAdoption(status: Item, print: Print): void {
  if (status['pin'] === undefined) return
  print(belongs(status))
  if (status['otherGlobal'] === undefined) return
  const other = asRecord(status['otherGlobal'])
  print(
    `another global answers at ${String(other['address'])}: ${String(other['clusterId'])} (${String(other['peer'])}), for ${age(other['since'], Date.now())}`,
  )
  print(`  ${String(other['code'])}: nothing is taken from it and nothing is sent to it; proxies go on unchanged`)
  if (status['comparisonProblem'] !== undefined) print(`it cannot be compared with: ${String(status['comparisonProblem'])}`)
  if (status['comparison'] !== undefined) printComparison(asRecord(status['comparison']), print)
  else if (listOf(other['owned']).length > 0) {
    print('from the former global; adopting the other one overwrites what both have, and holds what it does not list:')
    print(
      table(
        ['TYPE', 'COUNT', 'NAMES'],
        listOf(other['owned']).map((type) => [String(type['type']), String(type['count']), namesOf(type)]),
      ),
    )
  }
  print(`to adopt it: ${String(other['command'])}`)
}

/** What adopting does, as each type's list at the other global tells. */
function printComparison(comparison: Item, print: Print): void {
  const rows = listOf(comparison['types']).flatMap((type) =>
    effects.flatMap(([effect, words]) => {
      const named = asRecord(type[effect])
      return Number(named['count'] ?? 0) === 0 ? [] : [[words, String(type['type']), String(named['count']), namesOf(named)]]
    }),
  )
  print(
    rows.length === 0
      ? 'adopting it would change nothing here'
      : `adopting it would do this:\n${table(['EFFECT', 'TYPE', 'COUNT', 'NAMES'], rows)}`,
  )
  const unanswered = comparison['unanswered']
  if (Array.isArray(unanswered) && unanswered.length > 0) print(`it did not list in time: ${unanswered.join(', ')}`)
}

/** held: what the former global had and this one does not list stays in use until someone approves its deletion. */
const effects = [
  ['overwritten', 'overwritten'],
  ['added', 'added'],
  ['held', 'kept, held'],
  ['refused', 'refused'],
] as const

function namesOf({ names, count }: Item): string {
  if (!Array.isArray(names)) return ''
  return `${names.map(String).join(', ')}${Number(count) > names.length ? ', ...' : ''}`
}

function belongs(status: Item): string {
  const pin = asRecord(status['pin'])
  if (pin['clusterId'] === undefined) return 'this zone belongs to no global yet'
  const proven = pin['lasting'] === true ? '' : ', whose id may change when it restarts'
  return `belongs to global ${String(pin['clusterId'])} (${String(pin['peer'])}${proven}) since ${String(pin['since'])}, last found at ${String(pin['address'])}`
}
