// Files of resources: YAML documents, JSON included. Sizes and aliases are bounded, so a small file cannot become a huge value.
import { AppError } from '@weft/foundation/errors'
import { LineCounter, parseAllDocuments } from 'yaml'

export interface YamlDocument {
  /** Line of its first node, from 1. */
  readonly line: number
  readonly value: unknown
}

export interface YamlOptions {
  /** Most bytes; 10 MiB by default. */
  readonly maxBytes?: number
}

const mebibyte = 1024 * 1024

/**
 * The documents of a text, empty ones left out. Throws `resource/undecodable` with the line of a syntax error, for duplicate keys, for
 * more than a hundred aliases, and above the size limit.
 */
export function parseYamlDocuments(text: string, options: YamlOptions = {}): readonly YamlDocument[] {
  const limit = options.maxBytes ?? 10 * mebibyte
  if (Buffer.byteLength(text) > limit) throw new AppError('resource/undecodable', `the file is larger than ${limit} bytes`)
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: '1.2' })
  if ('empty' in documents) return []
  return documents.flatMap((document): readonly YamlDocument[] => {
    const offset = document.contents?.range?.[0] ?? document.range[0]
    const line = lines.linePos(offset).line
    const error = document.errors[0]
    if (error !== undefined) {
      const at = lines.linePos(error.pos[0])
      throw new AppError('resource/undecodable', `line ${at.line}, column ${at.col}: ${error.message}`, {
        details: { line: at.line, column: at.col },
      })
    }
    const value = valueOf(() => document.toJS({ maxAliasCount: 100 }), line)
    return value === null || value === undefined ? [] : [{ line, value }]
  })
}

function valueOf(read: () => unknown, line: number): unknown {
  try {
    return read()
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new AppError('resource/undecodable', `line ${line}: ${detail}`, { details: { line }, cause: error })
  }
}
