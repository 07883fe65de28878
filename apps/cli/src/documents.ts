// Resource documents from files, folders or standard input, with {{ variables }} filled in.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { AppError, messageOf } from '@weft/foundation/errors'

export interface ResourceDocument {
  /** Where it came from, for messages: `file[2]`. */
  readonly source: string
  readonly value: Readonly<Record<string, unknown>>
}

/** All documents in order. Any unreadable one fails the whole, so nothing is sent half. */
export function readDocuments(path: string, variables: ReadonlyMap<string, string>): readonly ResourceDocument[] {
  return inputs(path).flatMap(([source, text]) => parseDocuments(source, fill(text, variables)))
}

/** Documents of one text. */
export function parseDocuments(source: string, text: string): readonly ResourceDocument[] {
  const documents: ResourceDocument[] = []
  for (const [index, document] of [...parseAllDocuments(text)].entries()) {
    const where = `${source}[${index}]`
    const problem = document.errors[0]
    if (problem) throw new AppError('resource/undecodable', `${where}: ${problem.message}`)
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    if (value === null || value === undefined) continue
    if (typeof value !== 'object' || Array.isArray(value)) throw new AppError('resource/undecodable', `${where}: not an object`)
    documents.push({ source: where, value: { ...value } })
  }
  return documents
}

function inputs(path: string): readonly (readonly [string, string])[] {
  if (path === '-') return [['stdin', readFileSync(0, 'utf8')]]
  try {
    if (!statSync(path).isDirectory()) return [[path, readFileSync(path, 'utf8')]]
    return readdirSync(path)
      .filter((name) => /\.(ya?ml|json)$/.test(name))
      .sort()
      .map((name) => [join(path, name), readFileSync(join(path, name), 'utf8')])
  } catch (error) {
    throw new AppError('config/unreadable', `cannot read ${path}: ${messageOf(error)}`, { cause: error })
  }
}

function fill(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}/g, (whole, name: string) => variables.get(name) ?? whole)
}
