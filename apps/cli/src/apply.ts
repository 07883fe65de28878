// weft apply: every document is read and named before the first one is sent; sending stops at the first refusal.
import { AppError } from '@weft/foundation/errors'
import { asRecord, type Connection, refusal } from './connection.ts'
import { readDocuments } from './documents.ts'
import { findNoun, listNouns, restPath } from './nouns.ts'
import { serialise } from './output.ts'

export interface ApplyOptions {
  readonly file: string
  readonly var: readonly string[]
  readonly dryRun: boolean
  readonly strict: boolean
}

export interface Terminal {
  readonly print: (text: string) => void
  readonly warn: (text: string) => void
}

/** Prints one line for each resource: created, updated. Unknown fields are named on standard error, or refused with --strict. */
export async function apply(connection: Connection, options: ApplyOptions, terminal: Terminal): Promise<void> {
  const variables = new Map(options.var.map((pair) => [pair.split('=')[0] ?? '', pair.slice(pair.indexOf('=') + 1)]))
  const documents = readDocuments(options.file, variables)
  if (documents.length === 0) throw new AppError('cli/usage', `${options.file}: no resource in it`)
  const nouns = await listNouns(connection)
  const planned = documents.map(({ source, value }) => {
    const { type, name } = value
    if (typeof type !== 'string') throw new AppError('resource/invalid', `${source}: "type" is missing`)
    if (typeof name !== 'string') throw new AppError('resource/invalid', `${source}: "name" is missing`)
    const noun = findNoun(nouns, type)
    const mesh = typeof value['mesh'] === 'string' ? value['mesh'] : 'default'
    const body = noun.isMeshScoped ? { ...value, mesh } : value
    return { noun, name, mesh, body }
  })
  for (const { noun, name, mesh, body } of planned) {
    if (options.dryRun) {
      terminal.print(`---\n${serialise(body, 'yaml')}`)
      continue
    }
    const path = `${restPath(noun, mesh, name)}${options.strict ? '?strict=true' : ''}`
    const answer = await connection.send('PUT', path, body)
    const what = `${noun.type} ${noun.isMeshScoped ? `${mesh}/` : ''}${name}`
    if (answer.status >= 300) {
      const error = refusal(answer)
      throw new AppError(error.code, `${what}: ${error.message}`, { violations: error.violations })
    }
    const warnings = asRecord(JSON.parse(answer.text || '{}'))['warnings']
    for (const warning of Array.isArray(warnings) ? warnings : []) terminal.warn(`Warning: ${what}: ${String(warning)}`)
    terminal.print(`${what} ${answer.status === 201 ? 'created' : 'updated'}`)
  }
}
