// weft get: a table for people, JSON or YAML for programs.
import type { Connection } from './connection.ts'
import { asRecord } from './connection.ts'
import { findNoun, listNouns, restPath } from './nouns.ts'
import { age, type Format, serialise, table } from './output.ts'
import { syncNotes } from './sync-repair.ts'

export interface GetOptions {
  readonly type: string
  readonly name: string | undefined
  readonly mesh: string
  readonly allMeshes: boolean
  readonly format: Format
}

/** Prints one resource or all of a type. */
export async function get(connection: Connection, options: GetOptions, print: (text: string) => void): Promise<void> {
  const noun = findNoun(await listNouns(connection), options.type)
  if (options.name !== undefined) {
    const item = asRecord(await connection.json('GET', restPath(noun, options.mesh, options.name)))
    print(
      options.format === 'table'
        ? rows([item], noun.isMeshScoped, await syncNotes(connection, noun.type))
        : serialise(item, options.format),
    )
    return
  }
  const items = await connection.items(restPath(noun, options.allMeshes ? undefined : options.mesh))
  if (options.format !== 'table') print(serialise({ total: items.length, items }, options.format))
  else
    print(
      items.length === 0
        ? `no ${noun.path}${noun.isMeshScoped && !options.allMeshes ? ` in mesh ${options.mesh}` : ''}`
        : rows(items, noun.isMeshScoped, await syncNotes(connection, noun.type)),
    )
}

/** With a column for what sync holds back, when there is anything. */
function rows(items: readonly Readonly<Record<string, unknown>>[], isMeshScoped: boolean, notes: ReadonlyMap<string, string>): string {
  const now = Date.now()
  const header = isMeshScoped ? ['MESH', 'NAME', 'ORIGIN', 'ZONE', 'AGE'] : ['NAME', 'ORIGIN', 'AGE']
  const noteOf = (item: Readonly<Record<string, unknown>>): string | undefined =>
    notes.get(`${String(item['mesh'] ?? '')}/${String(item['name'] ?? '')}`)
  const hasNotes = items.some((item) => noteOf(item) !== undefined)
  return table(
    hasNotes ? [...header, 'SYNC'] : header,
    items.map((item) => {
      const labels = asRecord(item['labels'])
      const label = (key: string): string => String(labels[key] ?? '')
      const tail = [age(item['modificationTime'], now), ...(hasNotes ? [noteOf(item) ?? ''] : [])]
      const name = String(item['name'] ?? '')
      return isMeshScoped
        ? [String(item['mesh'] ?? ''), name, label('kuma.io/origin'), label('kuma.io/zone'), ...tail]
        : [name, label('kuma.io/origin'), ...tail]
    }),
  )
}
